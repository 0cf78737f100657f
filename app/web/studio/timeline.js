// The timeline: tracks and clips in time, their tools, and the playhead.
import { clockText } from "../lib/format.js";
import { h, icon, setVars, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { numberInput, select } from "../ui/field.js";
import { endOf } from "../audio/schedule.js";
import { SNAPS } from "../audio/snap.js";
import { barAndBeat, decibels, toSamples, toSeconds } from "../audio/units.js";
import { createRuler } from "./ruler.js";
import { bindTimelineKeys } from "./timeline-keys.js";
import { createRows } from "./tracks.js";

const TAIL_S = 30;
const ZOOMS = [5, 10, 20, 40, 80, 160, 320];

/** Shows the timeline in `host`; `act` holds what its buttons do. */
export function mountTimeline(host, studio, act) {
  const { store, t, transport } = studio;
  const parts = {
    tools: h("div", { class: "row timeline-tools", role: "toolbar", "aria-label": t("timeline.tools") }),
    scroll: h("div", { class: "timeline-scroll" }), grid: h("div", { class: "rows", role: "grid", "aria-label": t("timeline.name") }),
    head: h("div", { class: "playhead", "aria-hidden": "true" }), foot: h("div", { class: "row timeline-foot" }),
    empty: h("p", { class: "muted timeline-empty" }, t("timeline.empty")),
  };
  const ruler = createRuler(studio, parts.scroll);
  parts.scroll.append(ruler.element, parts.grid, parts.head);
  host.append(parts.tools, parts.scroll, parts.empty, parts.foot);
  const clocks = drawTools(parts, studio, act);
  const meter = drawFoot(parts.foot, studio, act);
  const rows = createRows(parts.grid, studio, act);
  const session = (state) => state.edits.present;
  store.watch(session, (present) => {
    const length = toSeconds(endOf(present)) + TAIL_S;
    setVars(parts.scroll, { "--zoom": present.view.zoom, "--length": `${length * present.view.zoom}px` });
    rows.update(present, store.state.selected);
    ruler.draw();
    clocks.update(present);
    meter.update(present);
    parts.empty.hidden = present.tracks.length > 0;
    transport.update(present);
  });
  store.watch((state) => state.selected, (selected) => rows.update(store.state.edits.present, selected));
  store.watch((state) => state.dock, (open) => host.classList.toggle("closed", !open));
  studio.onTransport = ({ playing, at }) => {
    setVars(parts.head, { "--x": `${toSeconds(at) * session(store.state).view.zoom}px` });
    clocks.show(playing, at);
    meter.show(playing);
    if (playing) keepInView(parts, at, session(store.state).view.zoom);
  };
  studio.onTransport({ playing: false, at: 0 });
  bindTimelineKeys(host, studio, act);
}

/** Turns the page when the playhead runs out of the window. */
function keepInView({ scroll, head }, at, zoom) {
  const x = toSeconds(at) * zoom;
  const wide = scroll.clientWidth - head.offsetLeft;
  if (x < scroll.scrollLeft || x > scroll.scrollLeft + wide - 40) scroll.scrollLeft = Math.max(0, x - 40);
}

function drawTools({ tools }, studio, act) {
  const { t } = studio;
  const on = (key, symbol, run, rest = {}) => button({ label: t(key), symbol, kind: "quiet", iconOnly: true, onclick: run, ...rest });
  const play = on("timeline.play", "play", act.playPause, { id: "timeline-play", "aria-pressed": "false" });
  const loop = on("timeline.loop", "loop", act.toggleLoop, { "aria-pressed": "false" });
  const time = h("output", { class: "clock mono", "aria-label": t("timeline.time") });
  const bar = h("span", { class: "muted nowrap" });
  const tempo = tempoFields(studio);
  show(tools, on("timeline.start", "start", act.toStart), play, loop, time, bar, tempo.elements,
    on("timeline.zoom_out", "minus", () => act.zoom(-1)), on("timeline.zoom_in", "plus", () => act.zoom(1)),
    on("timeline.undo", "undo", act.undo), on("timeline.redo", "redo", act.redo),
    h("span", { class: "grow" }),
    button({ label: t("timeline.mix"), symbol: "save", kind: "plain", id: "mix", onclick: act.mix }),
    on("timeline.keys", "info", act.showKeys));
  return {
    update: (session) => {
      loop.setAttribute("aria-pressed", String(session.loop.on));
      tempo.update(session);
    },
    show: (playing, at) => {
      const place = barAndBeat(at, studio.store.state.edits.present.tempo);
      time.textContent = clockText(toSeconds(at), 3);
      bar.textContent = t("timeline.bar", { bar: place.bar, beat: place.beat });
      play.setAttribute("aria-pressed", String(playing));
      play.querySelector("use").setAttribute("href", `web/icons.svg#${playing ? "pause" : "play"}`);
    },
  };
}

function tempoFields({ store, t }) {
  const change = (changes) => store.send({ type: "edit", command: { type: "change", changes } });
  const tempo = (changes) => change({ tempo: { ...store.state.edits.present.tempo, ...changes } });
  const bpm = numberInput({
    min: 30, max: 300, "aria-label": t("timeline.bpm"),
    onchange: () => tempo({ bpm: Math.min(300, Math.max(30, bpm.valueAsNumber || 120)) }),
  });
  const beats = select({
    options: [2, 3, 4, 6].map((count) => ({ value: count, label: t("timeline.beats", { beats: count }) })),
    "aria-label": t("timeline.signature"), onchange: () => tempo({ beats: Number(beats.value) }),
  });
  const snap = select({
    options: SNAPS.map((mode) => ({ value: mode, label: t(`snap.${mode}`) })), "aria-label": t("timeline.snap"),
    onchange: () => change({ view: { ...store.state.edits.present.view, snap: snap.value } }),
  });
  return {
    elements: [h("label", { class: "with-unit tempo" }, bpm, h("span", { class: "muted small" }, "BPM")), beats, snap],
    update: ({ tempo: { bpm: value, beats: count }, view }) => {
      if (document.activeElement !== bpm) bpm.value = value;
      beats.value = count;
      snap.value = view.snap;
    },
  };
}

function drawFoot(host, { store, t, transport }, act) {
  const master = h("input", {
    type: "range", min: -60, max: 6, step: 0.5, "aria-label": t("timeline.master"),
    oninput: () => store.send({ type: "edit", command: { type: "change", changes: { master: { gain_db: master.valueAsNumber } } }, merge: "master" }),
  });
  const peak = h("div", { class: "progress meter", "aria-hidden": "true" });
  show(host, button({ label: t("timeline.add_track"), symbol: "plus", kind: "plain", id: "add-track", onclick: act.addTrack }),
    button({ label: t("timeline.import"), symbol: "upload", kind: "quiet", onclick: act.importAudio }),
    h("span", { class: "grow" }), h("label", { class: "row" }, icon("volume"), master), peak);
  return {
    update: (session) => {
      master.value = session.master.gain_db;
      master.setAttribute("aria-valuetext", t("timeline.decibels", { db: session.master.gain_db }));
    },
    show: (playing) => {
      const level = playing ? Math.max(0, 1 + decibels(Math.max(1e-3, transport.level())) / 60) : 0;
      setVars(peak, { "--part": Math.min(1, level) });
    },
  };
}

/** Returns the next zoom of a direction. */
export function nextZoom(zoom, by) {
  const place = ZOOMS.findIndex((one) => one >= zoom);
  return ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, (place < 0 ? ZOOMS.length - 1 : place) + by))];
}

export const samplesAt = (x, zoom) => Math.max(0, toSamples(x / zoom));
