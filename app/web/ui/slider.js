// A slider with a number field beside it: both show one value; double-click is the default.
import { h } from "../lib/dom.js";
import { numberInput } from "./field.js";

/** Makes the pair; `oninput(value)` hears of changes, `say(value)` is what a screen reader reads. */
export function slider({ label, min, max, step = 1, value, standard = value, oninput = () => {}, say = String }) {
  const range = h("input", { type: "range", min, max, step, "aria-label": label });
  const number = numberInput({ min, max, step, "aria-label": label });
  const set = (next) => {
    const fitting = Math.min(max, Math.max(min, next));
    range.value = fitting;
    number.value = fitting;
    range.setAttribute("aria-valuetext", say(fitting));
    return fitting;
  };
  const take = (next) => oninput(set(next));
  range.addEventListener("input", () => take(range.valueAsNumber));
  number.addEventListener("change", () => take(Number.isFinite(number.valueAsNumber) ? number.valueAsNumber : standard));
  range.addEventListener("dblclick", () => take(standard));
  range.addEventListener("keydown", (event) => { if (event.key === "Backspace") take(standard); });
  set(value);
  const element = h("div", { class: "slider" }, range, number);
  Object.defineProperty(element, "value", { get: () => range.valueAsNumber, set });
  return element;
}
