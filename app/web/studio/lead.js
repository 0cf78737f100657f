// One tab of all does a work; another takes over when it closes or hides.

const HIDDEN_MS = 60_000;
const BEAT_MS = 1000;
const SILENT_MS = 3000;

/**
 * Runs `work(signal)` in one tab among those with the same `name`, until `signal` is aborted.
 *
 * Locks decide where they exist; on plain http of another host they do not, and tabs hear each other's beats.
 */
export function lead({ name, work, signal, locks = navigator.locks, page = document }) {
  return locks ? byLock({ name, work, signal, locks, page }) : byBeat({ name, work, signal, page });
}

async function byLock({ name, work, signal, locks, page }) {
  while (!signal.aborted) {
    await seen(page, signal);
    await locks.request(name, { signal }, () => reign(work, signal, page)).catch(ignoreAbort);
  }
}

/** Works until the end, or until nobody has looked for a minute. */
function reign(work, signal, page) {
  const end = new AbortController();
  let timer = null;
  const look = () => {
    clearTimeout(timer);
    if (page.hidden) timer = setTimeout(() => end.abort(), HIDDEN_MS);
  };
  page.addEventListener("visibilitychange", look);
  look();
  return Promise.resolve(work(AbortSignal.any([signal, end.signal]), () => end.abort())).finally(() => {
    clearTimeout(timer);
    page.removeEventListener("visibilitychange", look);
  });
}

async function byBeat({ name, work, signal, page }) {
  const channel = new BroadcastChannel(`${name} beat`);
  const me = crypto.getRandomValues(new Uint32Array(1))[0];
  const heard = { at: -Infinity };
  let stop = () => {};
  channel.onmessage = ({ data }) => {
    heard.at = performance.now();
    if (data < me) stop();
  };
  signal.addEventListener("abort", () => channel.close(), { once: true });
  while (!signal.aborted) {
    await seen(page, signal);
    await pause(BEAT_MS * (1 + Math.random() / 2), signal);
    if (signal.aborted || performance.now() - heard.at < SILENT_MS) continue;
    const beat = setInterval(() => channel.postMessage(me), BEAT_MS);
    channel.postMessage(me);
    await reign((inner, end) => {
      stop = end;
      return work(inner);
    }, signal, page).catch(ignoreAbort);
    clearInterval(beat);
    heard.at = performance.now();
  }
}

function seen(page, signal) {
  if (!page.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    page.addEventListener("visibilitychange", resolve, { once: true });
    signal.addEventListener("abort", resolve, { once: true });
  });
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

function ignoreAbort(error) {
  if (error?.name !== "AbortError") throw error;
}
