// Widgets that write more than one value: lyrics with marks, seeds, labels.
import { h } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { textArea, textInput, toggle } from "../ui/field.js";

const MARKS = ["Verse", "Chorus", "Bridge", "Intro", "Outro"];
const MOST_SEED = 2 ** 32;
const MOST_LABELS = 16;

/** Lyrics: buttons put section marks at the cursor; instrumental sets the text aside. */
export function lyricsWidget(field, value, change, { t, form, setInstrumental }) {
  const area = textArea({
    value: value ?? "", maxlength: field.longest, rows: 5, disabled: form.instrumental,
    oninput: () => change(area.value === "" ? undefined : area.value),
  });
  const insert = (mark) => {
    const before = area.value.slice(0, area.selectionStart);
    area.setRangeText(`${before && !before.endsWith("\n") ? "\n" : ""}[${mark}]\n`, area.selectionStart, area.selectionEnd, "end");
    area.focus();
    change(area.value);
  };
  const marks = MARKS.map((mark) => button({ label: `[${mark}]`, kind: "quiet", onclick: () => insert(mark), disabled: form.instrumental }));
  const instrumental = toggle({
    label: t("form.instrumental"), checked: form.instrumental,
    onchange: ({ target }) => {
      for (const control of [area, ...marks]) control.disabled = target.checked;
      setInstrumental(target.checked);
    },
  });
  const element = h("div", { class: "lyrics" }, area, h("div", { class: "row marks" }, marks), instrumental);
  return { element, control: area };
}

/** Seeds: empty is random; the dice writes a number, so that it can be kept. */
export function seedWidget(field, value, change, { t }) {
  const input = textInput({
    value: value ?? "", inputmode: "text", placeholder: t("form.random"),
    oninput: () => change(input.value.trim() === "" ? undefined : input.value.trim()),
  });
  const dice = button({
    label: t("form.dice"), symbol: "dice", kind: "plain", iconOnly: true,
    onclick: () => {
      input.value = String(crypto.getRandomValues(new Uint32Array(1))[0] % MOST_SEED);
      change(input.value);
    },
  });
  return { element: h("div", { class: "with-unit" }, input, dice), control: input };
}

/** Labels: pairs of short texts. */
export function labelsWidget(field, value, change, { t }) {
  const rows = h("div", { class: "stack" });
  const tell = () => {
    const pairs = [...rows.children].map((row) => [...row.querySelectorAll("input")].map((input) => input.value.trim()));
    const labels = Object.fromEntries(pairs.filter(([name]) => name));
    change(Object.keys(labels).length ? labels : undefined);
  };
  const addRow = (name = "", text = "") => {
    if (rows.children.length >= MOST_LABELS) return;
    const row = h("div", { class: "with-unit" },
      textInput({ value: name, maxlength: 64, "aria-label": t("form.label_name"), placeholder: t("form.label_name"), oninput: tell }),
      textInput({ value: text, maxlength: 256, "aria-label": t("form.label_value"), placeholder: t("form.label_value"), oninput: tell }),
      button({ label: t("form.remove"), symbol: "close", kind: "quiet", iconOnly: true, onclick: () => { row.remove(); tell(); } }));
    rows.append(row);
  };
  for (const [name, text] of Object.entries(value ?? {})) addRow(name, text);
  const add = button({ label: t("form.add_label"), symbol: "plus", kind: "plain", onclick: () => addRow() });
  return { element: h("div", { class: "stack" }, rows, add), control: add };
}
