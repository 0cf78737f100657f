// Asks again and again, one question at a time, and rests while nobody looks.

/** Runs `ask(signal)` now and `everyMs` after each end; returns {now, stop}. Errors go to `onError`. */
export function poll({ ask, everyMs, onError = () => {}, page = document }) {
  const end = new AbortController();
  let timer = null;
  let isAsking = false;
  let isWanted = false;

  async function run() {
    clearTimeout(timer);
    if (end.signal.aborted) return;
    if (isAsking) { isWanted = true; return; }
    isAsking = true;
    isWanted = false;
    try {
      await ask(end.signal);
    } catch (error) {
      if (!end.signal.aborted) onError(error);
    }
    isAsking = false;
    if (isWanted) return run();
    if (!page.hidden && !end.signal.aborted) timer = setTimeout(run, everyMs);
  }

  const look = () => { if (!page.hidden) run(); };
  page.addEventListener("visibilitychange", look);
  run();
  return {
    now: run,
    stop() {
      page.removeEventListener("visibilitychange", look);
      clearTimeout(timer);
      end.abort();
    },
  };
}
