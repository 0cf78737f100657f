// Short messages that come and go; each also stands in the log of the page.
import { h } from "../lib/dom.js";
import { button } from "./button.js";

const STAY_MS = 6000;

/** Makes the corner for messages; `show(text, {kind, action})`, `log` holds all of this visit. */
export function createToasts({ voice, closeLabel, host = document.body }) {
  const place = h("div", { class: "toasts" });
  const log = [];
  host.append(place);
  return {
    log,
    show(text, { kind = "", action = null } = {}) {
      log.push({ at: new Date(), text, kind });
      const toast = h("div", { class: `toast ${kind}` }, h("span", { class: "grow" }, text),
        action && button({ label: action.label, kind: "quiet", onclick: () => { toast.remove(); action.run(); } }),
        button({ label: closeLabel, symbol: "close", kind: "quiet", iconOnly: true, onclick: () => toast.remove() }));
      place.append(toast);
      while (place.children.length > 4) place.firstElementChild.remove();
      if (kind === "bad") voice.alarm(text);
      else {
        voice.say(text);
        setTimeout(() => { if (!toast.matches(":hover, :focus-within")) toast.remove(); }, STAY_MS);
      }
    },
  };
}
