// A recording as a picture under a slider: click or arrows seek, a drag or Shift and arrows select a region.
import { columns } from "../audio/peaks.js";
import { RATE_HZ } from "../audio/units.js";
import { h } from "../lib/dom.js";
import { clockText } from "../lib/format.js";

const DRAG_PX = 4;
const STEP_S = 1;
const LONG_STEP_S = 5;

/**
 * Makes a waveform of `seconds` length.
 *
 * Args: `label` names it, `say` writes a time in words, `onSeek(seconds)`, `onRegion({start, end} | null)`,
 * `snap(seconds)` moves an edge to its grid; labels of the edges are `startLabel` and `endLabel`.
 */
export function createWaveform(options) {
  const element = h("div", { class: "waveform" });
  const seek = h("div", { class: "waveform-seek", role: "slider", tabindex: "0", "aria-label": options.label });
  const canvas = h("canvas", { class: "waveform-picture", "aria-hidden": "true" });
  const cursor = h("div", { class: "waveform-cursor", "aria-hidden": "true" });
  seek.append(canvas, cursor);
  element.append(seek);
  const wave = { ...options, element, seek, canvas, cursor, at: 0, region: null, peaks: null };
  if (options.onRegion) wave.edges = addRegion(wave);
  listen(wave);
  const resized = new ResizeObserver(() => draw(wave));
  resized.observe(canvas);
  place(wave, 0);
  return {
    element,
    show: (peaks, seconds = wave.seconds) => {
      Object.assign(wave, { peaks, seconds });
      place(wave, wave.at);
      draw(wave);
    },
    place: (seconds) => place(wave, seconds),
    setRegion: (region) => setRegion(wave, region),
    redraw: () => draw(wave),
    close: () => resized.disconnect(),
  };
}

function place(wave, seconds) {
  wave.at = Math.max(0, Math.min(seconds, wave.seconds));
  wave.element.style.setProperty("--at", wave.seconds ? wave.at / wave.seconds : 0);
  describe(wave.seek, wave, wave.at);
}

function describe(slider, wave, value) {
  slider.setAttribute("aria-valuemin", "0");
  slider.setAttribute("aria-valuemax", wave.seconds.toFixed(2));
  slider.setAttribute("aria-valuenow", value.toFixed(2));
  slider.setAttribute("aria-valuetext", wave.say ? wave.say(value) : clockText(value, 1));
}

function draw({ canvas, peaks, seconds }) {
  const scale = globalThis.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (!width || !height) return;
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).color;
  const middle = height / 2;
  if (!peaks) {
    pen.fillRect(0, middle - scale / 2, width, scale);
    return;
  }
  columns(peaks, 0, Math.round(seconds * RATE_HZ), width).forEach(([low, high], x) => {
    pen.fillRect(x, middle - high * middle * 0.94, 1, Math.max(scale, (high - low) * middle * 0.94));
  });
}

function listen(wave) {
  const { seek } = wave;
  seek.addEventListener("keydown", (event) => onKey(wave, event));
  seek.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    seek.setPointerCapture(event.pointerId);
    const [begin, from] = [event.clientX, timeAt(wave, event)];
    const move = (moved) => {
      if (!wave.onRegion || Math.abs(moved.clientX - begin) < DRAG_PX) return;
      setRegion(wave, ordered(snapped(wave, from, moved), snapped(wave, timeAt(wave, moved), moved)), true);
    };
    const stop = (ended) => {
      seek.removeEventListener("pointermove", move);
      if (Math.abs(ended.clientX - begin) < DRAG_PX || !wave.onRegion) wave.onSeek(timeAt(wave, ended));
    };
    seek.addEventListener("pointermove", move);
    seek.addEventListener("pointerup", stop, { once: true });
  });
}

function timeAt({ seek, seconds }, event) {
  const box = seek.getBoundingClientRect();
  return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width)) * seconds;
}

const snapped = (wave, time, event) => (event.altKey || !wave.snap ? time : wave.snap(time));
const ordered = (one, other) => ({ start: Math.min(one, other), end: Math.max(one, other) });

function onKey(wave, event) {
  const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  const to = { Home: 0, End: wave.seconds, PageUp: wave.at + LONG_STEP_S, PageDown: wave.at - LONG_STEP_S }[event.key];
  if (event.key === "Escape" && wave.region) setRegion(wave, null, true);
  else if (sign && event.shiftKey && wave.onRegion) grow(wave, sign * STEP_S);
  else if (sign) wave.onSeek(within(wave, wave.at + sign * STEP_S));
  else if (to !== undefined) wave.onSeek(within(wave, to));
  else return;
  event.preventDefault();
  event.stopPropagation();
}

const within = (wave, seconds) => Math.max(0, Math.min(wave.seconds, seconds));

function grow(wave, by) {
  const { start, end } = wave.region ?? { start: wave.at, end: wave.at };
  setRegion(wave, ordered(start, within(wave, end + by)), true);
}

function addRegion(wave) {
  const region = h("div", { class: "waveform-region", hidden: true });
  const edges = ["start", "end"].map((edge) => {
    const handle = h("div", {
      class: `waveform-edge ${edge}`,
      role: "slider", tabindex: "0", "aria-label": wave[`${edge}Label`],
    });
    handle.addEventListener("keydown", (event) => onEdgeKey(wave, edge, event));
    handle.addEventListener("pointerdown", (event) => dragEdge(wave, handle, edge, event));
    region.append(handle);
    return handle;
  });
  wave.element.append(region);
  return { region, edges };
}

function onEdgeKey(wave, edge, event) {
  const steps = { ArrowLeft: -0.1, ArrowRight: 0.1, PageDown: -LONG_STEP_S, PageUp: LONG_STEP_S };
  const ends = { Home: 0, End: wave.seconds };
  if (event.key === "Escape") setRegion(wave, null, true);
  else if (steps[event.key]) moveEdge(wave, edge, wave.region[edge] + steps[event.key] * (event.shiftKey ? 10 : 1));
  else if (event.key in ends) moveEdge(wave, edge, ends[event.key]);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function dragEdge(wave, handle, edge, event) {
  handle.setPointerCapture(event.pointerId);
  event.stopPropagation();
  const move = (moved) => moveEdge(wave, edge, snapped(wave, timeAt(wave, moved), moved));
  handle.addEventListener("pointermove", move);
  handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
}

function moveEdge(wave, edge, seconds) {
  const region = { ...wave.region, [edge]: within(wave, seconds) };
  if (region.end - region.start >= 0.04) setRegion(wave, region, true);
}

function setRegion(wave, region, tell = false) {
  const { region: box, edges } = wave.edges;
  wave.region = region && region.end > region.start ? region : null;
  box.hidden = !wave.region;
  if (wave.region) {
    wave.element.style.setProperty("--from", wave.region.start / wave.seconds);
    wave.element.style.setProperty("--until", wave.region.end / wave.seconds);
    edges.forEach((handle, number) => describe(handle, wave, number ? wave.region.end : wave.region.start));
  }
  if (tell) wave.onRegion(wave.region);
}
