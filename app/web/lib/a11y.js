// What screen readers hear, and focus that moves within one control.
import { h } from "./dom.js";

const QUIET_MS = 3000;

/** Makes the two live regions; `say` waits its turn (one message in 3 s, the newest wins), `alarm` does not. */
export function createVoice(host = document.body, clock = globalThis) {
  const polite = h("div", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const loud = h("div", { class: "visually-hidden", role: "alert", "aria-live": "assertive" });
  host.append(polite, loud);
  let waiting = null;
  let timer = null;
  const speak = () => {
    timer = null;
    if (waiting === null) return;
    polite.textContent = waiting;
    waiting = null;
    timer = clock.setTimeout(speak, QUIET_MS);
  };
  return {
    say(text) {
      waiting = text;
      if (timer === null) speak();
    },
    alarm(text) {
      loud.textContent = text;
    },
  };
}

/** Arrow keys, Home and End move focus among `items()` of a toolbar, menu or tab list; one is in the tab order. */
export function rove(root, items, { vertical = false } = {}) {
  const [back, on] = vertical ? ["ArrowUp", "ArrowDown"] : ["ArrowLeft", "ArrowRight"];
  root.addEventListener("keydown", (event) => {
    const all = items();
    const at = all.indexOf(document.activeElement);
    const to = { [back]: at - 1, [on]: at + 1, Home: 0, End: all.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    focusOne(all, (to + all.length) % all.length);
  });
}

function focusOne(all, index) {
  all.forEach((item, at) => { item.tabIndex = at === index ? 0 : -1; });
  all[index].focus();
}
