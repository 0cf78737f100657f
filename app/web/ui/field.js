// One form field: label, control, unit, hint and the problem that the server found.
import { freshId, h, show } from "../lib/dom.js";

/**
 * Wraps a control. Returns the element with `problem(text)` (null clears it), `control`, and `value`.
 * `name` is the parameter's name, by which an error of the API finds the field.
 */
export function field({ label, control, name = null, unit = null, hint = null }) {
  const id = control.id || freshId("field");
  const hintId = `${id}-hint`;
  const problemId = `${id}-problem`;
  control.id = id;
  control.setAttribute("aria-describedby", `${problemId}${hint ? ` ${hintId}` : ""}`);
  const problem = h("p", { class: "problem", id: problemId, hidden: true });
  const element = h("div", { class: "field", dataset: name ? { name } : {} },
    h("label", { for: id }, label),
    unit ? h("div", { class: "with-unit" }, control, h("span", { class: "muted nowrap" }, unit)) : control,
    hint && h("p", { class: "hint", id: hintId }, hint), problem);
  return Object.assign(element, {
    control,
    problem(text) {
      problem.hidden = !text;
      show(problem, text ?? "");
      if (text) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    },
  });
}

/** Text of one line; `props` as in `h`. */
export function textInput(props = {}) {
  return h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...props, class: "input" });
}

/** Number; an empty field is null. */
export function numberInput(props = {}) {
  return h("input", { type: "number", inputmode: "decimal", step: "any", ...props, class: "input" });
}

/** A choice of {value, label, disabled}. */
export function select({ options, value = "", ...props }) {
  const element = h("select", { ...props, class: "input" }, options.map((option) =>
    h("option", { value: option.value, disabled: Boolean(option.disabled) }, option.label)));
  element.value = value;
  return element;
}

/** Text of several lines in any script. */
export function textArea(props = {}) {
  return h("textarea", { rows: 4, dir: "auto", ...props, class: "input" });
}

/** A tick with its label, whose `control` it is. */
export function check({ label, hint = null, ...props }) {
  return h("label", { class: "check" }, h("input", { type: "checkbox", ...props }),
    h("span", {}, label, hint && h("span", { class: "hint muted small" }, ` ${hint}`)));
}

/** An on-off switch with its label, whose `control` it is. */
export function toggle({ label, ...props }) {
  return h("label", { class: "switch" }, h("input", { type: "checkbox", role: "switch", ...props }), h("span", {}, label));
}

/** Shows an ApiError beside the field it names and moves focus there; else returns false. */
export function showProblem(form, error) {
  const fields = [...form.querySelectorAll(".field[data-name]")];
  fields.forEach((one) => one.problem?.(null));
  const found = fields.find((one) => one.dataset.name === error.field);
  if (!found) return false;
  found.problem(error.text);
  found.control.focus();
  return true;
}
