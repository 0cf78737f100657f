// One widget per kind of field: each shows a value, hears of changes, and leaves the server's choice when untouched.
import { clockText, parseClock } from "../lib/format.js";
import { h } from "../lib/dom.js";
import { button, segmented } from "../ui/button.js";
import { numberInput, select, textArea, textInput, toggle } from "../ui/field.js";
import { slider } from "../ui/slider.js";
import { TRACK_NAMES } from "./fields.js";
import { lyricsWidget, seedWidget, labelsWidget } from "./writing.js";
import { timestepsFault } from "./request.js";

export const LANGUAGE_CODES = (
  "ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro ru sa sk sr sv " +
  "sw ta te th tl tr uk ur vi yue zh"
).split(" ");

/**
 * Makes the widget of a field: {element, control}.
 *
 * Args: `field` as in fields.js, `value` (undefined: untouched), `change(value)`, `context` = {t, offer, form}.
 */
export const makeWidget = (field, value, change, context) => (WIDGETS[field.widget] ?? WIDGETS.text)(field, value, change, context);

const plain = (element, control = element) => ({ element, control });
const emptied = (text) => (text.trim() === "" ? undefined : text);

const WIDGETS = {
  text: (field, value, change) =>
    plain(textInput({ value: value ?? "", maxlength: field.longest, placeholder: field.standard, oninput: (event) => change(emptied(event.target.value)) })),
  long: longText,
  lyrics: lyricsWidget,
  seed: seedWidget,
  labels: labelsWidget,
  number: (field, value, change) =>
    plain(numberInput({
      value: value ?? "", min: field.least, max: field.most, placeholder: field.standard ?? "–",
      oninput: ({ target }) => change(Number.isFinite(target.valueAsNumber) ? target.valueAsNumber : undefined),
    })),
  slider: sliderWidget,
  share: (field, value, change, context) => sliderWidget({ ...field, least: 0, most: 1 }, value, change, context),
  switch: (field, value, change, { t }) => {
    const element = toggle({
      label: t(`field.${field.name}`), checked: value ?? field.standard, onchange: ({ target }) => change(target.checked),
    });
    return plain(element, element.control);
  },
  choice: (field, value, change, { t }) => choose(field, value, change, optionsOf(field.options), t),
  segmented: (field, value, change, { t }) => {
    const options = field.options.map((option) => ({ value: option, label: option }));
    return plain(segmented({ label: t(`field.${field.name}`), options, value: value ?? field.standard, onpick: change }));
  },
  signature: (field, value, change, { t }) => choose(field, value, change, optionsOf(["2", "3", "4", "6"]), t),
  key: keyWidget,
  language: languageWidget,
  model: (field, value, change, { t, offer }) => choose(field, value, change, (offer?.models ?? []).map((model) => ({
    value: model.name, label: [model.name, t(`model.${model.category}`), model.is_loaded && t("model.loaded")].filter(Boolean).join(" · "),
  })), t),
  lm: (field, value, change, { t, offer }) => choose(field, value, change, optionsOf((offer?.lm_models ?? []).map(({ name }) => name)), t),
  track: (field, value, change, { t }) =>
    choose(field, value, change, TRACK_NAMES.map((name) => ({ value: name, label: t(`track.${name}`) })), t),
  tracks: tracksWidget,
  time: timeWidget,
  length: lengthWidget,
  stepper: stepperWidget,
  tempo: tempoWidget,
  timesteps: timestepsWidget,
};

const optionsOf = (names) => names.map((name) => ({ value: name, label: name }));

function choose(field, value, change, options, t) {
  const all = [{ value: "", label: field.standard && field.kind === "choice" ? t("form.default", { value: field.standard }) : t("form.automatic") }, ...options];
  return plain(select({ options: all, value: value ?? "", onchange: ({ target }) => change(emptied(target.value)) }));
}

function longText(field, value, change, { t }) {
  const count = h("span", { class: "muted small number" });
  const area = textArea({
    value: value ?? "", maxlength: field.longest, rows: field.level === "simple" ? 4 : 2, placeholder: field.standard || null,
    oninput: () => {
      tell();
      change(emptied(area.value));
    },
  });
  const tell = () => {
    count.textContent = area.value.length > field.longest * 0.8 ? t("form.count", { count: area.value.length, most: field.longest }) : "";
  };
  tell();
  return plain(h("div", {}, area, count), area);
}

function sliderWidget(field, value, change, { t }) {
  const standard = field.standard ?? field.least;
  const pair = slider({
    label: t(`field.${field.name}`), min: field.least, max: field.most, step: field.step, value: value ?? standard, standard,
    oninput: change,
  });
  return plain(pair);
}

function keyWidget(field, value, change, { t }) {
  const roots = ["C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B"];
  const list = h("datalist", { id: "keys-of-music" }, roots.flatMap((root) => ["major", "minor"].map((mode) => h("option", { value: `${root} ${mode}` }))));
  const input = textInput({ value: value ?? "", list: "keys-of-music", placeholder: t("form.automatic"), oninput: () => change(emptied(input.value)) });
  return plain(h("div", {}, input, list), input);
}

function languageWidget(field, value, change, { t }) {
  const names = new Intl.DisplayNames(t.language, { type: "language" });
  const options = LANGUAGE_CODES.map((code) => ({ value: code, label: `${names.of(code)} (${code})` }));
  options.sort((one, other) => one.label.localeCompare(other.label, t.language));
  return choose(field, value, change, [...options, { value: "unknown", label: t("form.unknown_language") }], t);
}

function tracksWidget(field, value, change, { t }) {
  const chosen = new Set(value ?? []);
  const chips = TRACK_NAMES.map((name) => {
    const chip = h("button", {
      type: "button", class: "chip", "aria-pressed": String(chosen.has(name)),
      onclick: () => {
        if (!chosen.delete(name)) chosen.add(name);
        chip.setAttribute("aria-pressed", String(chosen.has(name)));
        change(chosen.size ? TRACK_NAMES.filter((one) => chosen.has(one)) : undefined);
      },
    }, t(`track.${name}`));
    return chip;
  });
  return plain(h("div", { class: "row", role: "group", "aria-label": t(`field.${field.name}`) }, chips));
}

function timeWidget(field, value, change, { t }) {
  const input = textInput({
    value: value === undefined ? "" : clockText(value, 2), inputmode: "decimal",
    placeholder: field.name === "repainting_end" ? t("form.to_the_end") : "0:00",
    onchange: () => {
      const seconds = parseClock(input.value);
      change(seconds ?? undefined);
      if (seconds === null) input.value = "";
    },
  });
  return plain(input);
}

function lengthWidget(field, value, change, { t }) {
  const input = textInput({
    value: value === undefined ? "" : clockText(value), inputmode: "decimal", placeholder: t("form.automatic"),
    onchange: () => take(parseClock(input.value)),
  });
  const range = h("input", {
    type: "range", min: field.least, max: field.most, step: field.step, value: value ?? field.least,
    "aria-label": t(`field.${field.name}`), oninput: () => take(range.valueAsNumber),
  });
  const say = () => range.setAttribute("aria-valuetext", input.value || t("form.automatic"));
  const take = (seconds) => {
    const fitting = seconds === null ? undefined : Math.min(field.most, Math.max(field.least, seconds));
    input.value = fitting === undefined ? "" : clockText(fitting);
    range.value = fitting ?? field.least;
    say();
    change(fitting);
  };
  say();
  return plain(h("div", { class: "slider" }, range, input), input);
}

function stepperWidget(field, value, change, { t }) {
  const number = numberInput({ min: field.least, max: field.most, step: 1, value: value ?? field.standard, onchange: () => take(number.valueAsNumber) });
  const take = (next) => {
    const fitting = Math.min(field.most, Math.max(field.least, Math.round(next) || field.standard));
    number.value = fitting;
    change(fitting);
  };
  const step = (symbol, by, label) => button({ label, symbol, kind: "plain", iconOnly: true, onclick: () => take(number.valueAsNumber + by) });
  return plain(h("div", { class: "stepper" }, step("minus", -1, t("form.fewer")), number, step("plus", 1, t("form.more"))), number);
}

function tempoWidget(field, value, change, { t }) {
  const number = numberInput({
    value: value ?? "", min: field.least, max: field.most, step: 1, placeholder: t("form.automatic"),
    oninput: () => change(Number.isFinite(number.valueAsNumber) ? Math.round(number.valueAsNumber) : undefined),
  });
  const taps = [];
  const tap = button({
    label: t("form.tap"), kind: "plain",
    onclick: (event) => {
      if (taps.length && event.timeStamp - taps.at(-1) > 2000) taps.length = 0;
      taps.push(event.timeStamp);
      if (taps.length < 3) return;
      const bpm = Math.round((60000 * (taps.length - 1)) / (taps.at(-1) - taps[0]));
      number.value = Math.min(field.most, Math.max(field.least, bpm));
      change(number.valueAsNumber);
    },
  });
  return plain(h("div", { class: "with-unit" }, number, tap), number);
}

function timestepsWidget(field, value, change, { t }) {
  const note = h("p", { class: "small problem", role: "status" });
  const input = textInput({
    value: value ?? "", placeholder: "0.97, 0.76, 0.5, 0.25",
    oninput: () => {
      const fault = input.value.trim() && timestepsFault(input.value);
      note.textContent = fault ? t(`timesteps.${fault}`) : "";
      change(emptied(input.value));
    },
  });
  return plain(h("div", {}, input, note), input);
}
