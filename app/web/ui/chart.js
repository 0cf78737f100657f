// Bars and lines in SVG: round axis steps, values by pointer and arrow keys, a table under each.
import { h, show, svg } from "../lib/dom.js";

const USUAL_WIDTH = 640;
const HEIGHT = 220;
const LEFT = 56;
const BOTTOM = 28;
const TOP = 8;
const PATTERNS = ["", "4 2", "1 2", "6 2 1 2"];

/**
 * Draws a chart. `labels` name the places on the x axis, `series` are {name, values, color}; null is a gap.
 * `kind` is "bars" (stacked) or "lines"; `write(value)` gives a value as text; `texts` are {table, empty, hint}.
 */
export function chart({ title, labels, series, kind = "bars", write = String, texts }) {
  const hidden = new Set();
  const figure = h("figure", { class: "chart" });
  const drawing = h("div");
  const reading = h("p", { class: "reading small", "aria-live": "polite" }, texts.hint);
  const draw = () => {
    const shown = series.filter(({ name }) => !hidden.has(name));
    const fullWidth = drawing.clientWidth || USUAL_WIDTH;
    show(drawing, plot({ title, labels, series: shown, all: series, kind, write, reading, texts, fullWidth }));
  };
  let drawnWidth = 0;
  new ResizeObserver(() => { if (drawing.clientWidth !== drawnWidth) { drawnWidth = drawing.clientWidth; draw(); } }).observe(drawing);
  const legend = h("div", { class: "legend" }, series.map((one, index) => key(one, index, hidden, draw)));
  show(figure, h("figcaption", { class: "visually-hidden" }, title), drawing, reading, series.length > 1 && legend,
    h("details", {}, h("summary", {}, texts.table), tableOf({ title, labels, series, write })));
  draw();
  return figure;
}

/** The smallest round step (1, 2 or 5 times a power of ten) with which `most` steps reach `top`. */
export function roundStep(top, most = 5) {
  const raw = Math.max(top, Number.MIN_VALUE) / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= raw * (1 - 1e-9));
}

function plot({ title, labels, series, all, kind, write, reading, texts, fullWidth }) {
  const tops = labels.map((_, at) => kind === "bars"
    ? series.reduce((sum, { values }) => sum + (values[at] ?? 0), 0)
    : Math.max(0, ...series.map(({ values }) => values[at] ?? 0)));
  const step = roundStep(Math.max(0, ...tops) || 1);
  const top = Math.max(step, Math.ceil(Math.max(0, ...tops) / step - 1e-9) * step);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const width = (fullWidth - LEFT) / Math.max(1, labels.length);
  const x = (at) => LEFT + width * (at + 0.5);
  const element = svg("svg", { viewBox: `0 0 ${fullWidth} ${HEIGHT}`, role: "img", tabindex: "0", "aria-label": title },
    axis({ step, top, y, write, fullWidth }), xLabels(labels, x, width),
    kind === "bars" ? bars({ series, all, x, y, width }) : lines({ series, all, x, y }),
    tops.every((value) => value === 0) && svg("text", { x: (fullWidth + LEFT) / 2, y: HEIGHT / 2, "text-anchor": "middle" }, texts.empty));
  read({ element, labels, series, write, reading, x, width, fullWidth });
  return element;
}

function axis({ step, top, y, write, fullWidth }) {
  const marks = Array.from({ length: Math.round(top / step) + 1 }, (_, at) => at * step);
  return marks.map((value) => [
    svg("line", { class: "axis", x1: LEFT, x2: fullWidth, y1: y(value), y2: y(value) }),
    svg("text", { x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, write(value)),
  ]);
}

function xLabels(labels, x, width) {
  const every = Math.max(1, Math.ceil(84 / width));
  return labels.map((label, at) => at % every === 0 && svg("text", { x: x(at), y: HEIGHT - 8, "text-anchor": "middle" }, short(label)));
}

function short(label) {
  return label.length > 12 ? `${label.slice(0, 11)}…` : label;
}

function bars({ series, all, x, y, width }) {
  const sums = [];
  return series.flatMap(({ name, values, color }) => values.map((value, at) => {
    const from = sums[at] ?? 0;
    sums[at] = from + (value ?? 0);
    if (!value) return null;
    const pattern = PATTERNS[all.findIndex((one) => one.name === name) % PATTERNS.length];
    const size = Math.max(1, Math.min(width * 0.7, 40));
    return svg("rect", { x: x(at) - size / 2, y: y(sums[at]), width: size, height: Math.max(1, y(from) - y(sums[at])),
      fill: `var(${color})`, "fill-opacity": pattern ? 0.55 : 1, stroke: `var(${color})`, "stroke-dasharray": pattern || null });
  }));
}

function lines({ series, all, x, y }) {
  return series.map(({ name, values, color }) => {
    const path = values.map((value, at) => (value === null || value === undefined ? ""
      : `${values[at - 1] === null || at === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)).join("");
    const pattern = PATTERNS[all.findIndex((one) => one.name === name) % PATTERNS.length];
    const dots = values.map((value, at) => value !== null && svg("circle", { cx: x(at), cy: y(value), r: 2.5, fill: `var(${color})` }));
    return [svg("path", { d: path, fill: "none", stroke: `var(${color})`, "stroke-width": 2, "stroke-dasharray": pattern || null }), dots];
  });
}

function read({ element, labels, series, write, reading, x, width, fullWidth }) {
  const cursor = svg("rect", { class: "cursor", y: TOP, height: HEIGHT - TOP - BOTTOM, width, visibility: "hidden" });
  element.append(cursor);
  let at = -1;
  const point = (next) => {
    if (!labels.length) return;
    at = Math.max(0, Math.min(labels.length - 1, next));
    cursor.setAttribute("x", x(at) - width / 2);
    cursor.setAttribute("visibility", "visible");
    show(reading, `${labels[at]}: ${series.map(({ name, values }) => `${name} ${write(values[at] ?? 0)}`).join(", ")}`);
  };
  element.addEventListener("pointermove", (event) => {
    const box = element.getBoundingClientRect();
    point(Math.floor((((event.clientX - box.left) / box.width) * fullWidth - LEFT) / width));
  });
  element.addEventListener("keydown", (event) => {
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: labels.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
}

function key({ name, color }, index, hidden, draw) {
  const mark = svg("svg", { viewBox: "0 0 20 12", "aria-hidden": "true" },
    svg("line", { x1: 1, x2: 19, y1: 6, y2: 6, stroke: `var(${color})`, "stroke-width": 4, "stroke-dasharray": PATTERNS[index % PATTERNS.length] || null }));
  const element = h("button", { type: "button", class: "chip", "aria-pressed": "true", onclick: () => {
    if (!hidden.delete(name)) hidden.add(name);
    element.setAttribute("aria-pressed", String(!hidden.has(name)));
    draw();
  } }, mark, name);
  return element;
}

function tableOf({ title, labels, series, write }) {
  return h("div", { class: "table-scroll", tabindex: "0", role: "region", "aria-label": title }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", {}), series.map(({ name }) => h("th", { class: "number", scope: "col" }, name)))),
    h("tbody", {}, labels.map((label, at) => h("tr", {}, h("th", { scope: "row" }, label),
      series.map(({ values }) => h("td", { class: "number" }, values[at] === null ? "–" : write(values[at] ?? 0))))))));
}
