// A session as a value, and as a file with or without its audio.
import { RATE_HZ } from "../audio/units.js";
import { FORMAT, SessionError, VERSION, readSession } from "./migrate.js";
import { readZip, writeZip } from "./zip.js";

const MOST_JSON_BYTES = 5e6;

/** Returns a session without tracks. */
export function emptySession(id, name, now) {
  return {
    format: FORMAT, version: VERSION, id, name, created_at: now, updated_at: now, sample_rate: RATE_HZ,
    tempo: { bpm: 120, beats: 4, offset: 0 },
    sources: [], tracks: [], master: { gain_db: 0 }, loop: { on: false, start: 0, end: 0 },
    form: {}, jobs: [], view: { snap: "beat", zoom: 40 },
  };
}

export const asJson = (session) => new Blob([JSON.stringify(session, null, 1)], { type: "application/json" });

/** Returns a zip of a session and of the audio it has: `audio` is a Map from source id to Blob. */
export function asZip(session, audio) {
  const entries = session.sources
    .filter(({ id }) => audio.has(id))
    .map((source) => ({ name: entryName(source), blob: audio.get(source.id) }));
  return writeZip([{ name: "session.json", blob: asJson(session) }, ...entries]);
}

function entryName({ id, format }) {
  return `audio/${id.replace(/[^\w-]/g, "_")}.${/^\w{1,5}$/.test(format) ? format : "bin"}`;
}

/** Reads a session file of either kind; returns {session, audio} or throws SessionError or ZipError. */
export async function openFile(file) {
  const isZip = new DataView(await file.slice(0, 2).arrayBuffer().then(padded)).getUint16(0) === 0x504b;
  const entries = isZip ? await readZip(file) : new Map([["session.json", file]]);
  const json = entries.get("session.json");
  if (!json) throw new SessionError("not_a_session");
  if (json.size > MOST_JSON_BYTES) throw new SessionError("too_large");
  const session = readSession(await json.text());
  const audio = new Map();
  for (const source of session.sources) {
    const blob = entries.get(entryName(source));
    if (blob) audio.set(source.id, blob);
  }
  return { session, audio };
}

const padded = (bytes) => (bytes.byteLength < 2 ? new ArrayBuffer(2) : bytes);
