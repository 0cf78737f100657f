// Server-sent events through fetch, because EventSource cannot send a key.
import { isAbort } from "./errors.js";

const SILENCE_MS = 40_000;
const WAITS_S = [1, 2, 4, 8, 15];

/** Makes a reader: give it pieces of text, it returns the whole events in them: {id, kind, data}. */
export function createReader() {
  let rest = "";
  return (text) => {
    const blocks = (rest + text.replaceAll("\r\n", "\n")).split("\n\n");
    rest = blocks.pop();
    return blocks.map(eventOf);
  };
}

/** Seconds to wait before try number `failures` + 1, ± 20 %. */
export function waitSeconds(failures, random = Math.random) {
  return WAITS_S[Math.min(failures, WAITS_S.length) - 1] * (0.8 + 0.4 * random());
}

/**
 * Follows `path` until `signal` is aborted, through restarts of the service. `onEvent` gets {id, kind, data} with
 * parsed data; `onLive(isLive, failures)` hears when the line comes and goes. A 4xx other than 401 and 429 ends it.
 */
export async function follow({ api, path, onEvent, onLive = () => {}, signal, random = Math.random }) {
  let lastId = null;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await readOnce({
        api, path, lastId, signal,
        onOpen: () => { failures = 0; onLive(true, 0); },
        onEvent: (event) => {
          if (event.id) lastId = event.id;
          if (event.kind) onEvent(event);
        },
      });
    } catch (error) {
      if (signal.aborted || isFinal(error)) break;
    }
    failures += 1;
    onLive(false, failures);
    await pause(waitSeconds(failures, random) * 1000, signal);
  }
  onLive(false, failures);
}

async function readOnce({ api, path, lastId, signal, onOpen, onEvent }) {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENCE_MS);
  try {
    const headers = lastId === null ? {} : { "Last-Event-ID": lastId };
    const response = await api.open(path, { headers, signal: AbortSignal.any([signal, silent.signal]) });
    onOpen();
    const read = createReader();
    const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await chunks.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENCE_MS);
      for (const event of read(value)) onEvent(event);
    }
  } finally {
    clearTimeout(timer);
  }
}

function eventOf(block) {
  const fields = { id: null, event: null, data: [] };
  for (const line of block.split("\n")) {
    const match = /^(id|event|data): ?(.*)$/.exec(line);
    if (match?.[1] === "data") fields.data.push(match[2]);
    else if (match) fields[match[1]] = match[2];
  }
  const text = fields.data.join("\n");
  return { id: fields.id, kind: fields.event, data: fields.event && text ? JSON.parse(text) : null };
}

function isFinal(error) {
  return !isAbort(error) && error.status >= 400 && error.status < 500 && error.status !== 429;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
