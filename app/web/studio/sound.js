// The audio behind sources: fetched once, kept in the browser, decoded when somebody looks or listens.
import { channelsOf, decoder } from "../audio/decode.js";
import { buildPeaks } from "../audio/peaks.js";
import { RATE_HZ } from "../audio/units.js";
import { trimAudio } from "./db.js";

const WIDE_BUDGET_BYTES = 512e6;
const NARROW_BUDGET_BYTES = 192e6;

/** Makes the shelf of sounds; `onFull()` hears when the browser has no room left. */
export function createSound({ api, stores, onFull }) {
  const decode = decoder();
  const shelf = { api, stores, onFull, decode, loose: new Map(), running: new Map(), buffers: new Map() };
  return {
    blob: (source) => once(shelf.running, `blob ${source.id}`, () => fetchBlob(shelf, source)),
    peaks: (source) => once(shelf.running, `peaks ${source.id}`, () => findPeaks(shelf, source)),
    buffer: (source) => once(shelf.running, `buffer ${source.id}`, () => findBuffer(shelf, source)),
    add: (source, blob) => keep(shelf, source.id, blob),
    /** Decodes a file and returns its peaks and its length in samples. */
    measure: async (blob) => {
      const buffer = await decode(await blob.arrayBuffer());
      return { samples: buffer.length, peaks: buildPeaks(channelsOf(buffer)) };
    },
    held: () => [...shelf.buffers.values()].reduce((sum, { bytes }) => sum + bytes, 0),
    release: (ids) => ids.forEach((id) => shelf.buffers.delete(id)),
  };
}

/** Lets callers share one run of the same work. */
function once(running, name, work) {
  if (!running.has(name)) running.set(name, work().finally(() => running.delete(name)));
  return running.get(name);
}

async function fetchBlob({ api, stores, loose, ...shelf }, source) {
  const kept = loose.get(source.id) ?? (await stores.get("audio", source.id))?.blob;
  if (kept) return kept;
  if (!source.path) throw new Error("audio is gone");
  const blob = await api.blob(source.path);
  await keep({ stores, loose, ...shelf }, source.id, blob);
  return blob;
}

async function keep({ stores, loose, onFull }, id, blob) {
  try {
    await stores.put("audio", id, { id, blob, used_at: Date.now() });
    trimAudio(stores).catch(() => {});
  } catch {
    loose.set(id, blob);
    onFull();
  }
}

async function findPeaks(shelf, source) {
  const name = source.path ?? source.id;
  const kept = await shelf.stores.get("peaks", name);
  if (kept) return kept;
  const blob = await fetchBlob(shelf, source);
  const peaks = buildPeaks(channelsOf(await shelf.decode(await blob.arrayBuffer())));
  await shelf.stores.put("peaks", name, peaks).catch(shelf.onFull);
  return peaks;
}

async function findBuffer(shelf, source) {
  const { buffers } = shelf;
  const held = buffers.get(source.id);
  if (held) {
    held.used_at = performance.now();
    return held.buffer;
  }
  const blob = await fetchBlob(shelf, source);
  const buffer = await shelf.decode(await blob.arrayBuffer());
  buffers.set(source.id, { buffer, bytes: buffer.length * buffer.numberOfChannels * 4, used_at: performance.now() });
  makeRoom(buffers, source.id);
  return buffer;
}

/** Lets go of what was used longest ago; a wide window means a machine with memory. */
function makeRoom(buffers, newest) {
  const budget = matchMedia("(max-width: 719px)").matches ? NARROW_BUDGET_BYTES : WIDE_BUDGET_BYTES;
  const oldest = [...buffers].sort(([, one], [, other]) => one.used_at - other.used_at);
  let total = oldest.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  for (const [id, { bytes }] of oldest) {
    if (total <= budget || id === newest) continue;
    buffers.delete(id);
    total -= bytes;
  }
}

/** Returns the source record of a clip of a task, as the answer to a poll gives it. */
export function sourceOfItem(taskId, item) {
  return {
    id: `${taskId}-${item.index}`, task_id: taskId, index: item.index, path: item.file, sha256: null,
    name: item.prompt || taskId, format: item.file.split(".").at(-1), samples: Math.round((item.metas?.duration ?? 0) * RATE_HZ),
    nudge: 0, seed: item.seed, prompt: item.prompt ?? "", metas: item.metas ?? {}, origin: "task",
    lyrics: item.lyrics ?? "", models: [item.dit_model, item.lm_model].filter(Boolean), info: item.generation_info ?? "",
  };
}
