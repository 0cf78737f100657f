// The keyboard of the timeline.
import { bindKeys } from "../lib/keys.js";
import { stepOf } from "../audio/snap.js";
import { beatSamples } from "../audio/units.js";
import { findClip } from "./edit.js";

/** Lists the keys with the words of their texts, for the dialog that shows them. */
export const KEYS = [
  ["Space", "play"], ["Home / End", "ends"], ["[ ]", "loop"], ["← →", "move"], ["Shift + ← →", "move_bar"],
  ["Alt + ← →", "move_sample"], ["↑ ↓", "track"], ["Ctrl + ← →", "trim"], ["S", "split"], ["D", "duplicate"],
  ["M O", "mute"], ["+ −", "zoom"], ["T", "take"], ["Enter", "settings"], ["Delete", "remove"], ["Ctrl + Z", "undo"],
  ["Shift + Ctrl + Z", "redo"], ["?", "keys"],
];

/** Binds the keys of `host`. */
export function bindTimelineKeys(host, studio, act) {
  const clip = (run) => () => {
    const found = findClip(studio.store.state.edits.present, studio.store.state.selected ?? "");
    return found ? run(found) : false;
  };
  const edit = (command, merge = null) => studio.store.send({ type: "edit", command, merge });
  bindKeys(host, {
    Space: (event) => (event.target.closest("button") ? false : act.playPause()),
    Home: act.toStart, End: act.toEnd,
    "[": () => act.loopEdge("start"), "]": () => act.loopEdge("end"),
    ...arrows(studio, clip, edit),
    ArrowUp: clip((found) => act.changeTrack(found, -1)), ArrowDown: clip((found) => act.changeTrack(found, 1)),
    s: clip(({ clip: { id } }) => act.split(id)), d: clip(({ clip: { id } }) => act.duplicateClip(id)),
    m: clip(({ track: { id, mute } }) => edit({ type: "change-track", id, changes: { mute: !mute } })),
    o: clip(({ track: { id, solo } }) => edit({ type: "change-track", id, changes: { solo: !solo } })),
    t: clip(({ clip: { id } }) => act.nextTake(id)),
    Enter: (event) => (event.target.matches(".tl-clip") ? act.clipSettings(event.target.dataset.clip) : false),
    "+": () => act.zoom(1), "=": () => act.zoom(1), "-": () => act.zoom(-1),
    Delete: clip(({ clip: { id } }) => act.removeClip(id)), Backspace: clip(({ clip: { id } }) => act.removeClip(id)),
    "Ctrl+z": act.undo, "Ctrl+Shift+z": act.redo, "Ctrl+y": act.redo, "?": act.showKeys,
  });
}

function arrows({ store }, clip, edit) {
  const moves = {};
  for (const [key, sign] of [["ArrowLeft", -1], ["ArrowRight", 1]]) {
    const moveBy = (step) => clip(({ clip: { id, at } }) => edit({ type: "move-clip", id, at: Math.max(0, at + sign * Math.round(step())) }, `key ${id}`));
    const session = () => store.state.edits.present;
    const grid = () => stepOf(session().view.snap, session().tempo);
    moves[key] = moveBy(() => Math.max(grid(), session().view.snap === "off" ? 480 : 1));
    moves[`Shift+${key}`] = moveBy(() => beatSamples(session().tempo) * session().tempo.beats);
    moves[`Alt+${key}`] = moveBy(() => 1);
    moves[`Ctrl+${key}`] = clip(({ clip: { id } }) => edit({ type: "trim-clip", id, edge: "end", by: sign * Math.round(grid()) }, `trim ${id}`));
  }
  return moves;
}
