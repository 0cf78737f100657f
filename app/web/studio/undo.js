// Remembers states to go back to; a value in, a value out.

const STEPS = 200;

export const fresh = (present) => ({ past: [], present, future: [] });

/** Takes a new state; with the same `merge` word as before it replaces the last one (a drag is one step). */
export function record(history, present, merge = null) {
  if (present === history.present) return history;
  const joined = merge !== null && merge === history.merge;
  const past = joined ? history.past : [...history.past, history.present].slice(-STEPS);
  return { past, present, future: [], merge };
}

export function undo(history) {
  if (!history.past.length) return history;
  return {
    past: history.past.slice(0, -1),
    present: history.past.at(-1),
    future: [history.present, ...history.future],
  };
}

export function redo(history) {
  if (!history.future.length) return history;
  const [present, ...future] = history.future;
  return { past: [...history.past, history.present], present, future };
}
