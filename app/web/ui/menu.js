// A menu below a button: arrows move, Escape closes, focus returns.
import { rove } from "../lib/a11y.js";
import { h, icon, setVars } from "../lib/dom.js";

const MARGIN_PX = 8;

/** Opens a menu at `anchor`. Items are {label, symbol, action, reason} or "-" for a line. */
export function openMenu(anchor, label, items) {
  const menu = h("div", { class: "menu", popover: "auto", role: "menu", "aria-label": label },
    items.map((item) => (item === "-" ? h("hr", {}) : itemButton(item, () => menu.hidePopover()))));
  const buttons = () => [...menu.querySelectorAll("button")];
  rove(menu, buttons, { vertical: true });
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    anchor.setAttribute("aria-expanded", "false");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) anchor.focus();
    menu.remove();
  });
  (anchor.closest("dialog") ?? document.body).append(menu);
  menu.showPopover();
  anchor.setAttribute("aria-expanded", "true");
  place(menu, anchor);
  buttons()[0]?.focus();
  return menu;
}

function itemButton({ label, symbol, action, reason }, close) {
  return h("button", {
    type: "button", role: "menuitem", tabindex: "-1", title: reason ?? null,
    "aria-disabled": reason ? "true" : null, "aria-description": reason ?? null,
    onclick: () => { if (reason) return; close(); action(); },
  }, symbol && icon(symbol), label);
}

/** Below the anchor, or above it where the window ends; never outside the window. */
function place(menu, anchor) {
  const at = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.max(MARGIN_PX, Math.min(at.left, innerWidth - width - MARGIN_PX));
  const below = at.bottom + 4;
  const top = below + height < innerHeight - MARGIN_PX ? below : Math.max(MARGIN_PX, at.top - height - 4);
  setVars(menu, { "--left": `${left}px`, "--top": `${top}px` });
}
