// The clips in a lane: drawn where they sound, moved and trimmed by dragging.
import { h, setVars } from "../lib/dom.js";
import { columns } from "../audio/peaks.js";
import { snap } from "../audio/snap.js";
import { toSamples, toSeconds } from "../audio/units.js";

const MOST_CANVAS_PX = 8192;

/** Returns {draw(lane, track, session, selected)}; elements are kept by clip. */
export function createClips(studio, act) {
  const elements = new Map();
  return {
    draw: (lane, track, session, selected) => {
      const ids = new Set(track.clips.map(({ id }) => id));
      for (const element of [...lane.children]) {
        if (ids.has(element.dataset.clip)) continue;
        element.remove();
        if (elements.get(element.dataset.clip) === element) elements.delete(element.dataset.clip);
      }
      for (const clip of track.clips) {
        let element = elements.get(clip.id);
        if (element?.parentElement !== lane) {
          element?.remove();
          element = makeClipElement(clip.id, studio, act);
          elements.set(clip.id, element);
          lane.append(element);
        }
        drawClip(element, clip, track, session, selected, studio);
        // A clip that changed its lane is a new element: focus goes with it.
        if (clip.id === selected && document.activeElement === document.body) element.focus({ preventScroll: true });
      }
    },
  };
}

function makeClipElement(id, studio, act) {
  const element = h("div", { class: "tl-clip", role: "gridcell", tabindex: "-1", dataset: { clip: id } },
    h("span", { class: "tl-name", dir: "auto" }), h("canvas", { "aria-hidden": "true" }),
    h("span", { class: "tl-edge start", "aria-hidden": "true" }), h("span", { class: "tl-edge end", "aria-hidden": "true" }));
  element.addEventListener("focus", () => studio.store.send({ type: "set", changes: { selected: id } }));
  element.addEventListener("dblclick", () => act.clipSettings(id));
  element.addEventListener("contextmenu", (event) => {
    event.preventDefault();
    act.clipMenu(id, element);
  });
  element.addEventListener("pointerdown", (event) => drag(element, id, event, studio));
  return element;
}

function drawClip(element, clip, track, session, selected, studio) {
  const { t } = studio;
  const { zoom } = session.view;
  const isFirst = session.tracks.find(({ clips }) => clips.length)?.clips[0].id === clip.id;
  const known = session.tracks.some(({ clips }) => clips.some(({ id }) => id === selected));
  element.tabIndex = clip.id === selected || (!known && isFirst) ? 0 : -1;
  element.setAttribute("aria-selected", String(clip.id === selected));
  const source = session.sources.find(({ id }) => id === clip.source);
  const look = [clip.at, clip.length, clip.offset, clip.source, clip.fade_in, clip.fade_out, zoom, track.color].join();
  if (element.dataset.look === look) return;
  element.dataset.look = look;
  setVars(element, {
    "--x": `${toSeconds(clip.at) * zoom}px`, "--w": `${Math.max(2, toSeconds(clip.length) * zoom)}px`,
    "--in": `${toSeconds(clip.fade_in) * zoom}px`, "--out": `${toSeconds(clip.fade_out) * zoom}px`,
  });
  const name = source?.name || t("clip.clip");
  element.querySelector(".tl-name").textContent = name;
  const take = clip.takes.length > 1 ? t("timeline.take", { number: clip.takes.indexOf(clip.source) + 1, count: clip.takes.length }) : "";
  element.setAttribute("aria-label", t("timeline.clip", {
    name: [name, take].filter(Boolean).join(", "), start: toSeconds(clip.at).toFixed(2), length: toSeconds(clip.length).toFixed(2),
  }));
  drawWave(element, clip, source, studio);
}

async function drawWave(element, clip, source, { sound }) {
  if (!source) return;
  const { look } = element.dataset;
  try {
    const peaks = await sound.peaks(source);
    element.classList.remove("gone");
    if (element.dataset.look !== look || !element.isConnected) return;
    paint(element.querySelector("canvas"), peaks, clip);
  } catch {
    element.classList.add("gone");
  }
}

function paint(canvas, peaks, { offset, length }) {
  const scale = devicePixelRatio || 1;
  const width = Math.max(1, Math.min(MOST_CANVAS_PX, Math.round(canvas.clientWidth * scale)));
  const height = Math.max(1, Math.round(canvas.clientHeight * scale));
  Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  pen.fillStyle = getComputedStyle(canvas).color;
  const middle = height / 2;
  columns(peaks, offset, offset + length, width).forEach(([low, high], x) => {
    pen.fillRect(x, middle - high * middle, 1, Math.max(1, (high - low) * middle));
  });
}

/** Moves or trims a clip with the pointer; one drag is one step to undo, Alt leaves the grid. */
function drag(element, id, event, { store }) {
  if (event.button !== 0) return;
  const edge = event.target.classList.contains("tl-edge") ? (event.target.classList.contains("start") ? "start" : "end") : null;
  const present = () => store.state.edits.present;
  const begin = present().tracks.flatMap(({ clips }) => clips).find((clip) => clip.id === id);
  const merge = `drag ${id} ${event.timeStamp}`;
  const { zoom, snap: mode } = present().view;
  const onGrid = (at, moved) => (moved.altKey ? Math.round(at) : snap(at, mode, present().tempo));
  element.focus({ preventScroll: true });
  let done = 0;
  const move = (moved) => {
    const by = toSamples((moved.clientX - event.clientX) / zoom);
    if (edge) {
      const from = edge === "start" ? begin.at : begin.at + begin.length;
      const wanted = onGrid(from + by, moved) - from;
      store.send({ type: "edit", command: { type: "trim-clip", id, edge, by: wanted - done }, merge });
      done = wanted;
    } else if (Math.abs(moved.clientX - event.clientX) + Math.abs(moved.clientY - event.clientY) > 3) {
      const track = trackAt(moved);
      store.send({ type: "edit", command: { type: "move-clip", id, at: Math.max(0, onGrid(begin.at + by, moved)), track }, merge });
    }
  };
  // The window listens, because a clip that changes its lane loses a captured pointer.
  addEventListener("pointermove", move);
  addEventListener("pointerup", () => removeEventListener("pointermove", move), { once: true });
}

const trackAt = ({ clientX, clientY }) =>
  document.elementsFromPoint(clientX, clientY).map((one) => one.closest(".track-row")).find(Boolean)?.dataset.track;
