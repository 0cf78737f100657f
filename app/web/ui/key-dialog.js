// Asks for an API key; the page behind keeps all it holds.
import { h } from "../lib/dom.js";
import { openDialog } from "./dialog.js";
import { field, textInput } from "./field.js";

/** Resolves to the given key, or null when the user has none now. `text` is the reason the service gave. */
export async function askForKey(t, text) {
  const input = textInput({ type: "password", autocomplete: "off", autofocus: true, name: "key" });
  const body = h("div", { class: "stack" }, h("p", {}, t("key.why")),
    text && h("p", { class: "notice bad" }, text),
    field({ label: t("key.label"), control: input, hint: t("key.hint") }));
  const actions = [
    { label: t("common.later"), value: null, kind: "plain" },
    { label: t("key.use"), value: "use", kind: "primary", check: () => input.value.trim() !== "" },
  ];
  const answer = await openDialog({ title: t("key.title"), body, actions });
  const key = input.value.trim();
  input.value = "";
  return answer === "use" ? key : null;
}
