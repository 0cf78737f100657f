// The rows of the timeline: a head with the track's controls, and the lane with its clips.
import { h, setVars } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openMenu } from "../ui/menu.js";
import { textInput } from "../ui/field.js";
import { createClips } from "./timeline-clips.js";

const COLORS = 8;

/** Makes the rows in a grid; `update(session, selected)` draws what changed. */
export function createRows(grid, studio, act) {
  const rows = new Map();
  const clips = createClips(studio, act);
  return {
    update: (session, selected) => {
      const ids = new Set(session.tracks.map(({ id }) => id));
      for (const [id, row] of rows) {
        if (ids.has(id)) continue;
        row.element.remove();
        rows.delete(id);
      }
      session.tracks.forEach((track, place) => {
        if (!rows.has(track.id)) rows.set(track.id, makeRow(track.id, studio, act, clips));
        const row = rows.get(track.id);
        if (grid.children[place] !== row.element) grid.insertBefore(row.element, grid.children[place] ?? null);
        row.update(track, session, selected, place);
      });
    },
  };
}

function makeRow(id, studio, act, clips) {
  const head = makeHead(id, studio, act);
  const lane = h("div", { class: "lane", role: "none" });
  const element = h("div", { class: "track-row", role: "row", dataset: { track: id } }, head.element, lane);
  acceptDrop(lane, id, studio, act);
  let shown = null;
  return {
    element,
    update: (track, session, selected, place) => {
      if (track !== shown) head.update(track);
      element.setAttribute("aria-rowindex", String(place + 1));
      setVars(element, { "--track": `var(--track-${track.color})` });
      clips.draw(lane, track, session, selected);
      shown = track;
    },
  };
}

function makeHead(id, studio, act) {
  const { store, t } = studio;
  const change = (changes, merge = null) =>
    store.send({ type: "edit", command: { type: "change-track", id, changes }, merge: merge && `${merge} ${id}` });
  const name = textInput({ "aria-label": t("track.name"), maxlength: 80, oninput: () => change({ name: name.value }, "name") });
  const flag = (key, letter, field) => h("button", {
    type: "button", class: "flag", "aria-label": t(key), title: t(key), "aria-pressed": "false",
    onclick: (event) => change({ [field]: event.currentTarget.getAttribute("aria-pressed") !== "true" }),
  }, letter);
  const mute = flag("track.mute", "M", "mute");
  const solo = flag("track.solo", "S", "solo");
  const volume = level({ label: t("track.volume"), min: -60, max: 6, step: 0.5, standard: 0, oninput: (gain_db) => change({ gain_db }, "volume") });
  const pan = level({ label: t("track.pan"), min: -1, max: 1, step: 0.05, standard: 0, oninput: (value) => change({ pan: value }, "pan") });
  const menu = button({
    label: t("track.menu"), symbol: "more", kind: "quiet", iconOnly: true, "aria-haspopup": "menu",
    onclick: (event) => openMenu(event.currentTarget, t("track.menu"), trackMenu(id, studio, act, change)),
  });
  const element = h("div", { class: "track-head", role: "rowheader" },
    h("div", { class: "with-unit" }, name, menu),
    h("div", { class: "with-unit" }, mute, solo, volume, pan));
  return {
    element,
    update: (track) => {
      if (document.activeElement !== name) name.value = track.name;
      mute.setAttribute("aria-pressed", String(track.mute));
      solo.setAttribute("aria-pressed", String(track.solo));
      volume.value = track.gain_db;
      volume.setAttribute("aria-valuetext", t("timeline.decibels", { db: track.gain_db }));
      pan.value = track.pan;
      pan.setAttribute("aria-valuetext", panText(track.pan, t));
    },
  };
}

function level({ label, standard, oninput, ...range }) {
  const input = h("input", { type: "range", ...range, "aria-label": label, title: label, oninput: () => oninput(input.valueAsNumber) });
  const reset = () => {
    input.value = standard;
    oninput(standard);
  };
  input.addEventListener("dblclick", reset);
  input.addEventListener("keydown", (event) => event.key === "Backspace" && reset());
  return input;
}

function panText(pan, t) {
  if (pan === 0) return t("track.middle");
  return t(pan < 0 ? "track.left" : "track.right", { amount: Math.round(Math.abs(pan) * 100) });
}

function trackMenu(id, { store, t }, act, change) {
  const track = store.state.edits.present.tracks.find((one) => one.id === id);
  const edit = (command) => store.send({ type: "edit", command });
  return [
    { label: t("track.up"), symbol: "up", action: () => edit({ type: "move-track", id, by: -1 }) },
    { label: t("track.down"), symbol: "down", action: () => edit({ type: "move-track", id, by: 1 }) },
    { label: t("track.duplicate"), symbol: "copy", action: () => act.duplicateTrack(track) },
    { label: t("track.color"), symbol: "theme", action: () => change({ color: (track.color + 1) % COLORS }) },
    { label: t("track.export"), symbol: "download", action: () => act.mix({ track: id }) },
    "-",
    { label: t("track.remove"), symbol: "trash", action: () => edit({ type: "remove-track", id }) },
  ];
}

function acceptDrop(lane, track, studio, act) {
  lane.addEventListener("dragover", (event) => event.preventDefault());
  lane.addEventListener("drop", (event) => {
    event.preventDefault();
    const { zoom } = studio.store.state.edits.present.view;
    const at = (event.clientX - lane.getBoundingClientRect().left) / zoom;
    act.dropOn(track, Math.max(0, at), event.dataTransfer);
  });
}
