// The line on top of a page: no connection, or a state of the whole service.
import { h, icon, show } from "../lib/dom.js";

/** Makes the place for strips; `set(name, {text, kind, action})`, null takes one away. */
export function createStrips(host) {
  const strips = new Map();
  return {
    set(name, strip) {
      if (strip) strips.set(name, strip);
      else strips.delete(name);
      show(host, [...strips.values()].map(({ text, kind = "bad", action }) =>
        h("div", { class: `strip ${kind}`, role: "status" }, icon(kind === "bad" ? "error" : "warning"),
          h("span", { class: "grow" }, text), action)));
    },
  };
}
