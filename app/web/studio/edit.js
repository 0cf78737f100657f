// Every change of a session: a command in, a new session out. Nothing here knows the page.

export const MAX_TRACKS = 32;
export const MAX_CLIPS = 512;
const LEAST_CLIP = 480;

const COMMANDS = {
  "add-track": (session, { track }) => (full(session) ? session : { ...session, tracks: [...session.tracks, track] }),
  "remove-track": (session, { id }) => ({ ...session, tracks: session.tracks.filter((track) => track.id !== id) }),
  "change-track": (session, { id, changes }) => onTrack(session, id, (track) => ({ ...track, ...changes })),
  "move-track": moveTrack,
  "duplicate-track": duplicateTrack,
  "add-source": (session, { source }) => addSource(session, source),
  "change-source": (session, { id, changes }) => ({
    ...session,
    sources: session.sources.map((source) => (source.id === id ? { ...source, ...changes } : source)),
  }),
  "put-clip": putClip,
  "move-clip": moveClip,
  "trim-clip": (session, { id, edge, by }) => onClip(session, id, (clip) => [trim(session, clip, edge, by)]),
  "split-clip": (session, { id, at, newId }) => onClip(session, id, (clip) => split(clip, at, newId)),
  "duplicate-clip": duplicateClip,
  "change-clip": (session, { id, changes }) => onClip(session, id, (clip) => [fitFades({ ...clip, ...changes })]),
  "choose-take": (session, { id, source }) => onClip(session, id, (clip) => [takeOf(session, clip, source)]),
  "remove-clip": (session, { id }) => onClip(session, id, () => []),
  change: (session, { changes }) => ({ ...session, ...changes }),
};

/** Returns the session after a command; one that does not apply leaves it as it is. */
export const apply = (session, command) => COMMANDS[command.type](session, command);

export const makeTrack = (id, name, color) => ({
  id, name, color, gain_db: 0, pan: 0, mute: false, solo: false, clips: [],
});

export const makeClip = (id, source, at) => ({
  id, source: source.id, takes: [source.id], at, offset: 0, length: source.samples, gain_db: 0, fade_in: 0, fade_out: 0,
});

/** Returns {track, clip} of a clip's id, or null. */
export function findClip(session, id) {
  for (const track of session.tracks) {
    const clip = track.clips.find((one) => one.id === id);
    if (clip) return { track, clip };
  }
  return null;
}

export const countClips = (session) => session.tracks.reduce((sum, { clips }) => sum + clips.length, 0);

const full = (session) => session.tracks.length >= MAX_TRACKS;

function onTrack(session, id, change) {
  return { ...session, tracks: session.tracks.map((track) => (track.id === id ? change(track) : track)) };
}

function onClip(session, id, change) {
  const found = findClip(session, id);
  if (!found) return session;
  return onTrack(session, found.track.id, (track) => ({
    ...track,
    clips: track.clips.flatMap((clip) => (clip.id === id ? change(clip) : [clip])),
  }));
}

function moveTrack(session, { id, by }) {
  const from = session.tracks.findIndex((track) => track.id === id);
  const to = from + by;
  if (from < 0 || to < 0 || to >= session.tracks.length) return session;
  const tracks = [...session.tracks];
  tracks.splice(to, 0, ...tracks.splice(from, 1));
  return { ...session, tracks };
}

function duplicateTrack(session, { id, newId, clipIds }) {
  const place = session.tracks.findIndex((track) => track.id === id);
  if (place < 0 || full(session)) return session;
  const old = session.tracks[place];
  if (countClips(session) + old.clips.length > MAX_CLIPS) return session;
  const clips = old.clips.map((clip, number) => ({ ...clip, id: clipIds[number] }));
  return { ...session, tracks: session.tracks.toSpliced(place + 1, 0, { ...old, id: newId, clips }) };
}

function addSource(session, source) {
  if (session.sources.some(({ id }) => id === source.id)) return session;
  return { ...session, sources: [...session.sources, source] };
}

function putClip(session, { track, clip, source }) {
  if (countClips(session) >= MAX_CLIPS) return session;
  const known = source ? addSource(session, source) : session;
  return onTrack(known, track, (one) => ({ ...one, clips: [...one.clips, { ...clip, at: Math.max(0, clip.at) }] }));
}

function moveClip(session, { id, at, track }) {
  const found = findClip(session, id);
  if (!found) return session;
  const moved = { ...found.clip, at: Math.max(0, Math.round(at ?? found.clip.at)) };
  if (!track || track === found.track.id) return onClip(session, id, () => [moved]);
  const without = onClip(session, id, () => []);
  return onTrack(without, track, (one) => ({ ...one, clips: [...one.clips, moved] }));
}

function trim(session, clip, edge, by) {
  const whole = session.sources.find(({ id }) => id === clip.source)?.samples ?? clip.offset + clip.length;
  if (edge === "end") {
    const longest = whole - clip.offset;
    const length = Math.min(longest, Math.max(Math.min(LEAST_CLIP, longest), clip.length + by));
    return fitFades({ ...clip, length });
  }
  const least = Math.max(-clip.offset, -clip.at);
  const step = Math.max(least, Math.min(by, clip.length - LEAST_CLIP));
  return fitFades({ ...clip, at: clip.at + step, offset: clip.offset + step, length: clip.length - step });
}

function fitFades(clip) {
  const fade_in = Math.max(0, Math.min(clip.fade_in, clip.length));
  return { ...clip, fade_in, fade_out: Math.max(0, Math.min(clip.fade_out, clip.length - fade_in)) };
}

function split(clip, at, newId) {
  const place = Math.round(at) - clip.at;
  if (place <= 0 || place >= clip.length) return [clip];
  const left = { ...clip, length: place, fade_out: 0 };
  const right = {
    ...clip, id: newId, at: clip.at + place, offset: clip.offset + place, length: clip.length - place, fade_in: 0,
  };
  return [fitFades(left), fitFades(right)];
}

function duplicateClip(session, { id, newId }) {
  if (countClips(session) >= MAX_CLIPS) return session;
  return onClip(session, id, (clip) => [clip, { ...clip, id: newId, at: clip.at + clip.length }]);
}

function takeOf(session, clip, id) {
  const source = session.sources.find((one) => one.id === id);
  if (!source) return clip;
  const takes = clip.takes.includes(id) ? clip.takes : [...clip.takes, id];
  const offset = Math.min(clip.offset, Math.max(0, source.samples - LEAST_CLIP));
  return fitFades({ ...clip, source: id, takes, offset, length: Math.min(clip.length, source.samples - offset) });
}
