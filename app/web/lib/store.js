// State, events, views: views never call each other, they send events and hear of changes.

/** Makes a store; `reduce(state, event)` returns the next state and changes nothing. */
export function createStore(reduce, initial) {
  let state = initial;
  const views = new Set();
  return {
    get state() {
      return state;
    },
    send(event) {
      state = reduce(state, event);
      for (const look of [...views]) look();
    },
    /** Calls `view(part, state)` now and whenever `select(state)` gives another part; returns how to end it. */
    watch(select, view) {
      let part = select(state);
      const look = () => {
        const next = select(state);
        if (Object.is(next, part)) return;
        part = next;
        view(part, state);
      };
      views.add(look);
      view(part, state);
      return () => views.delete(look);
    },
  };
}

/** Lets `draw` run at most once per `ms`; what comes between is drawn at the end. `flush` draws at once. */
export function throttle(draw, ms, clock = globalThis) {
  let timer = null;
  let last = -Infinity;
  const run = () => { timer = null; last = performance.now(); draw(); };
  const call = () => {
    if (timer === null) timer = clock.setTimeout(run, Math.max(0, ms - (performance.now() - last)));
  };
  call.cancel = () => { clock.clearTimeout(timer); timer = null; };
  call.flush = () => { call.cancel(); run(); };
  return call;
}
