// Dialogs: the native element keeps focus inside, gives it back, and closes by Escape.
import { freshId, h } from "../lib/dom.js";
import { button } from "./button.js";

/**
 * Opens a dialog and resolves to what closed it: the `value` of an action, or null for Escape.
 * `actions` are {label, value, kind, check}; `check()` may return a promise and keeps the dialog open if false.
 */
export function openDialog({ title, body, actions, wide = false, dismissable = true }) {
  const id = freshId("dialog");
  const form = h("form", { method: "dialog", novalidate: true }, h("h2", { id }, title), body);
  const dialog = h("dialog", { class: wide ? "wide" : "", "aria-labelledby": id }, form);
  return new Promise((resolve) => {
    let result = null;
    const close = (value) => { result = value; dialog.close(); };
    form.append(h("footer", {}, actions.map((action, index) => actionButton(action, index === actions.length - 1, close))));
    form.addEventListener("submit", (event) => event.preventDefault());
    dialog.addEventListener("cancel", (event) => { if (!dismissable) event.preventDefault(); });
    dialog.addEventListener("close", () => { dialog.remove(); resolve(result); });
    document.body.append(dialog);
    dialog.showModal();
    (form.querySelector("[autofocus], input, select, textarea") ?? form.querySelector("footer .button")).focus();
  });
}

/** Asks before something happens; the way out comes first in focus. Resolves to true or false. */
export async function confirm({ title, text, yes, no, danger = false }) {
  const body = h("div", { class: "stack" }, [text].flat().map((line) => (line instanceof Node ? line : h("p", {}, line))));
  const actions = [{ label: no, value: false }, { label: yes, value: true, kind: danger ? "danger" : "primary" }];
  return (await openDialog({ title, body, actions })) === true;
}

function actionButton({ label, value, kind = "plain", check }, isLast, close) {
  const element = button({
    label, kind, type: isLast ? "submit" : "button",
    onclick: async () => {
      element.disabled = true;
      try {
        if (!check || (await check()) !== false) close(value);
      } finally {
        element.disabled = false;
      }
    },
  });
  return element;
}
