// Buttons, and the reason why one cannot be pressed.
import { h, icon } from "../lib/dom.js";

/**
 * Makes a button. With `reason` it stays visible and in the tab order, does nothing, and says why.
 * `iconOnly` hides the label from the eye only.
 */
export function button({ label, symbol, kind = "", type = "button", iconOnly = false, reason = null, onclick, ...rest }) {
  const classes = ["button", kind, iconOnly ? "icon-only" : ""].filter(Boolean).join(" ");
  return h("button", {
    type, class: classes, onclick: reason ? (event) => event.preventDefault() : onclick,
    "aria-label": iconOnly ? label : null, title: reason ?? (iconOnly ? label : null),
    "aria-disabled": reason ? "true" : null, "aria-description": reason, ...rest,
  }, symbol && icon(symbol), iconOnly ? null : label);
}

/** Makes a segmented control of {value, label, reason}; `onpick(value)` hears of a choice. */
export function segmented({ label, options, value, onpick }) {
  const buttons = options.map((option) => h("button", {
    type: "button", "aria-pressed": String(option.value === value), disabled: Boolean(option.reason),
    title: option.reason ?? null, dataset: { value: option.value },
    onclick: () => { choose(option.value); onpick(option.value); },
  }, option.label));
  const choose = (chosen) => buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.dataset.value === String(chosen))));
  const group = h("div", { class: "segmented", role: "group", "aria-label": label }, buttons);
  return Object.assign(group, { choose });
}
