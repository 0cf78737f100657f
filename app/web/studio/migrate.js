// Checks a session that comes from outside, and brings older ones to the present form.

export const FORMAT = "acestep-studio-session";
export const VERSION = 1;
const MOST_TRACKS = 32;
const MOST_CLIPS = 512;
const MOST_SOURCES = 1024;

/** A session file that cannot be opened; `reason` is a word of the texts. */
export class SessionError extends Error {
  constructor(reason, about = "") {
    super(`${reason} ${about}`.trim());
    this.reason = reason;
    this.about = about;
  }
}

const STEPS = {};
// STEPS[1] will turn version 1 into version 2.

/** Returns a checked session of the present version; unknown keys are kept, a newer version is refused. */
export function migrate(given) {
  if (!isObject(given) || given.format !== FORMAT) throw new SessionError("not_a_session");
  if (!Number.isInteger(given.version) || given.version < 1) throw new SessionError("not_a_session");
  if (given.version > VERSION) throw new SessionError("newer", String(given.version));
  let session = given;
  while (session.version < VERSION) session = STEPS[session.version](session);
  check(session);
  return session;
}

/** Reads JSON text, without keys that reach into the language. */
export function readSession(text) {
  let given;
  try {
    given = JSON.parse(text, (key, value) => (key === "__proto__" || key === "constructor" ? undefined : value));
  } catch {
    throw new SessionError("not_json");
  }
  return migrate(given);
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === "string" && value.length <= 4096;
const isSample = (value) => Number.isSafeInteger(value) && value >= 0;
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);
const between = (least, most) => (value) => isNumber(value) && value >= least && value <= most;
const isFlag = (value) => typeof value === "boolean";

const SHAPES = {
  session: {
    id: isText, name: isText, created_at: isText, updated_at: isText, sample_rate: (rate) => rate === 48000,
    tempo: isObject, sources: Array.isArray, tracks: Array.isArray, master: isObject, loop: isObject, form: isObject,
    jobs: (jobs) => Array.isArray(jobs) && jobs.length <= 1000 && jobs.every(isText), view: isObject,
  },
  tempo: {
    bpm: between(30, 300), offset: Number.isSafeInteger,
    beats: (beats) => Number.isInteger(beats) && beats >= 1 && beats <= 16,
  },
  master: { gain_db: between(-60, 6) },
  loop: { on: isFlag, start: isSample, end: isSample },
  source: {
    id: isText, name: isText, samples: isSample, origin: (origin) => ["task", "file", "mix"].includes(origin),
  },
  track: {
    id: isText, name: isText, color: (color) => Number.isInteger(color) && color >= 0 && color < 8,
    gain_db: between(-60, 6), pan: between(-1, 1), mute: isFlag, solo: isFlag, clips: Array.isArray,
  },
  clip: {
    id: isText, source: isText, takes: (takes) => Array.isArray(takes) && takes.length <= 256 && takes.every(isText),
    at: isSample, offset: isSample, length: isSample, gain_db: between(-60, 24), fade_in: isSample, fade_out: isSample,
  },
};

function check(session) {
  checkShape("session", session);
  if (session.tracks.length > MOST_TRACKS || session.sources.length > MOST_SOURCES) throw new SessionError("too_many");
  for (const part of ["tempo", "master", "loop"]) checkShape(part, session[part]);
  session.sources.forEach((source) => checkShape("source", source));
  const ids = new Set(session.sources.map(({ id }) => id));
  let clips = 0;
  for (const track of session.tracks) {
    checkShape("track", track);
    clips += track.clips.length;
    if (clips > MOST_CLIPS) throw new SessionError("too_many");
    track.clips.forEach((clip) => checkClip(clip, ids));
  }
}

function checkClip(clip, ids) {
  checkShape("clip", clip);
  if (![clip.source, ...clip.takes].every((id) => ids.has(id))) throw new SessionError("broken", "clip.source");
  if (clip.fade_in + clip.fade_out > clip.length) throw new SessionError("broken", "clip.fade_in");
}

function checkShape(name, value) {
  if (!isObject(value)) throw new SessionError("broken", name);
  for (const [key, isRight] of Object.entries(SHAPES[name])) {
    if (!isRight(value[key])) throw new SessionError("broken", `${name}.${key}`);
  }
}
