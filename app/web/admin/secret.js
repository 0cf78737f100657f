// A text that is shown once, and that closing forgets.
import { h } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { check, field, textInput } from "../ui/field.js";
import { copy } from "./parts.js";

/** Shows it until the user says that it is stored. */
export async function showSecret(app, { title, label, secret }) {
  const { t } = app;
  const text = textInput({ value: secret, readonly: true, class: "input mono" });
  text.classList.add("mono");
  const stored = check({ label: t("secret.stored") });
  const body = h(
    "div",
    { class: "stack" },
    h("p", { class: "notice warn" }, t("secret.once")),
    field({ label, control: text }),
    h(
      "div",
      {},
      button({ label: t("common.copy"), symbol: "copy", kind: "primary", onclick: () => copy(app, secret, text) }),
    ),
    stored,
  );
  await openDialog({
    title,
    body,
    dismissable: false,
    actions: [{ label: t("common.close"), value: "done", kind: "plain", check: () => stored.control.checked }],
  });
  text.value = "";
}
