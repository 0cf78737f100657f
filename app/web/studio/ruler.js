// The ruler above the tracks: bars or seconds; a click seeks, a drag sets the loop.
import { h, setVars } from "../lib/dom.js";
import { clockText } from "../lib/format.js";
import { snap } from "../audio/snap.js";
import { beatSamples, toSamples, toSeconds } from "../audio/units.js";

const LEAST_PX = 70;
const HEIGHT_PX = 28;
const DRAG_PX = 4;

/** Makes the ruler of a scrolling box; `draw` after each change of the session. */
export function createRuler(studio, scroll) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const loop = h("div", { class: "ruler-loop", hidden: true });
  const seek = h("div", { class: "ruler-seek", role: "slider", tabindex: "0", "aria-label": studio.t("timeline.position") }, canvas, loop);
  const element = h("div", { class: "ruler" }, h("div", { class: "corner" }), seek);
  const parts = { canvas, loop, seek, scroll };
  const draw = () => drawRuler(parts, studio);
  scroll.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(scroll);
  addEventListener("acestep-theme", draw);
  listen(parts, studio);
  return { element, draw };
}

function drawRuler({ canvas, loop, seek, scroll }, { store, transport, t }) {
  const session = store.state.edits.present;
  const { zoom } = session.view;
  const scale = devicePixelRatio || 1;
  const width = Math.max(1, scroll.clientWidth - seek.offsetLeft);
  Object.assign(canvas, { width: width * scale, height: HEIGHT_PX * scale });
  setVars(canvas, { "--wide": `${width}px` });
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  const style = getComputedStyle(canvas);
  pen.fillStyle = style.color;
  pen.font = `12px ${style.fontFamily}`;
  const from = scroll.scrollLeft;
  for (const { at, text } of marks(session, from / zoom, (from + width) / zoom, zoom)) {
    const x = at * zoom - from;
    pen.fillRect(x, HEIGHT_PX - 8, 1, 8);
    pen.fillText(text, x + 4, HEIGHT_PX - 11);
  }
  setVars(loop, { "--from": `${toSeconds(session.loop.start) * zoom}px`, "--until": `${toSeconds(session.loop.end) * zoom}px` });
  loop.hidden = session.loop.end <= session.loop.start;
  loop.classList.toggle("off", !session.loop.on);
  describe(seek, transport.at, session, t);
}

function describe(seek, at, session, t) {
  const seconds = toSeconds(at);
  seek.setAttribute("aria-valuemin", "0");
  seek.setAttribute("aria-valuemax", String(Math.max(seconds, 600)));
  seek.setAttribute("aria-valuenow", seconds.toFixed(2));
  seek.setAttribute("aria-valuetext", t("time.seconds", { seconds: Math.round(seconds * 10) / 10 }));
}

/** Lists the marks between two times in seconds: bars where snapping is musical, else seconds. */
function marks({ tempo, view }, from, until, zoom) {
  const isMusical = view.snap === "beat" || view.snap === "bar";
  const unit = isMusical ? toSeconds(beatSamples(tempo) * tempo.beats) : 1;
  let step = unit;
  while (step * zoom < LEAST_PX) step *= 2;
  const found = [];
  for (let number = Math.max(0, Math.floor(from / step)); number * step <= until; number += 1) {
    const at = number * step;
    found.push({ at, text: isMusical ? String(Math.round(at / unit) + 1) : clockText(at) });
  }
  return found;
}

function listen({ seek }, studio) {
  const { store, transport } = studio;
  const present = () => store.state.edits.present;
  const sampleOf = (event) => toSamples(Math.max(0, event.clientX - seek.getBoundingClientRect().left) / present().view.zoom);
  const onGrid = (event) => Math.max(0, event.altKey ? sampleOf(event) : snap(sampleOf(event), present().view.snap, present().tempo));
  seek.addEventListener("pointerdown", (event) => {
    seek.setPointerCapture(event.pointerId);
    const [x, from] = [event.clientX, onGrid(event)];
    const move = (moved) => {
      if (Math.abs(moved.clientX - x) < DRAG_PX) return;
      const to = onGrid(moved);
      const loop = { on: true, start: Math.min(from, to), end: Math.max(from, to) };
      store.send({ type: "edit", command: { type: "change", changes: { loop } }, merge: `loop ${event.timeStamp}` });
    };
    seek.addEventListener("pointermove", move);
    seek.addEventListener("pointerup", (ended) => {
      seek.removeEventListener("pointermove", move);
      if (Math.abs(ended.clientX - x) < DRAG_PX) transport.seek(present(), sampleOf(ended));
    }, { once: true });
  });
  seek.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageDown: -5, PageUp: 5 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    transport.seek(present(), Math.max(0, transport.at + toSamples(by)));
  });
}
