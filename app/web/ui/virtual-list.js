// A list of any length: keyset pages of rows, few of them in the page, an origin that moves.
import { h, setVars, show } from "../lib/dom.js";

const AHEAD_PX = 1000;
const MOST_ROWS = 80;
const PAGES_KEPT = 50;

/**
 * Makes the list. `load(cursor, signal)` resolves to {items, next}; `row(item)` makes an element with role "row".
 * Only a window of pages is kept; what lies before it is asked for again by its first cursor.
 * `onchange({loaded, isLoading, isEnd, error})` hears of the state.
 */
export function createVirtualList({ label, load, row, rowPx, head = null, onchange = () => {}, onopen, onselect, onmenu }) {
  const origin = h("div", { class: "origin", role: "rowgroup" });
  const element = h("div", {
    class: "virtual", role: "grid", "aria-label": label, "aria-rowcount": "-1", tabindex: "0", vars: { "--row": `${rowPx}px` },
  }, head && h("div", { class: "head", role: "rowgroup" }, head), origin);
  const list = new Window({ element, origin, load, row, rowPx, onchange });
  element.addEventListener("scroll", () => list.draw(), { passive: true });
  element.addEventListener("keydown", (event) => steer(list, event, { onopen, onselect, onmenu }));
  new ResizeObserver(() => list.draw()).observe(element);
  return Object.assign(element, {
    reset: () => list.reset(),
    redraw: () => list.redraw(),
    replace: (item) => list.replace(item),
    setRowPx: (px) => list.setRowPx(px),
    items: () => list.pages.flatMap((page) => page.items),
    retry: () => list.extend(),
    get loaded() { return list.loaded; },
  });
}

/** The pages that are known, and which rows of them stand in the page. */
class Window {
  constructor(parts) {
    Object.assign(this, parts);
    this.reset();
  }

  /** Forgets everything and starts at the newest. */
  reset() {
    this.ending?.abort();
    this.ending = new AbortController();
    Object.assign(this, { pages: [], cursors: [null], first: 0, before: 0, loaded: 0, active: 0, isEnd: false, isLoading: false, error: null });
    this.shown = new Map();
    show(this.origin);
    this.element.scrollTop = 0;
    return this.extend();
  }

  get rows() {
    return this.pages.reduce((sum, page) => sum + page.items.length, 0);
  }

  item(index) {
    let rest = index;
    for (const page of this.pages) {
      if (rest < page.items.length) return page.items[rest];
      rest -= page.items.length;
    }
    return undefined;
  }

  /** Asks for the page after the last one, and drops the first when too many are kept. */
  async extend() {
    if (this.isLoading || this.isEnd) return;
    const number = this.first + this.pages.length;
    const page = await this.fetchPage(number);
    if (!page) return;
    this.pages.push(page);
    this.cursors[number + 1] = page.next;
    this.isEnd = page.next === null;
    this.loaded = Math.max(this.loaded, this.before + this.rows);
    if (this.pages.length > PAGES_KEPT) this.shift(-this.pages.shift().items.length, 1);
    this.tell();
    this.draw();
  }

  /** Asks again for the page before the first one that is kept. */
  async extendBack() {
    if (this.isLoading || this.first === 0) return;
    const page = await this.fetchPage(this.first - 1);
    if (!page) return;
    this.pages.unshift(page);
    if (this.pages.length > PAGES_KEPT) {
      this.pages.pop();
      this.isEnd = false;
    }
    this.shift(page.items.length, -1);
    this.draw();
  }

  async fetchPage(number) {
    const { signal } = this.ending;
    this.isLoading = true;
    this.error = null;
    this.tell();
    try {
      return await this.load(this.cursors[number], signal);
    } catch (error) {
      if (!signal.aborted) this.error = error;
      return null;
    } finally {
      if (!signal.aborted) {
        this.isLoading = false;
        this.tell();
      }
    }
  }

  /** Moves the origin by rows, so that what the eye rests on stays where it is. */
  shift(rows, pages) {
    this.first += pages;
    this.before -= rows;
    this.active = Math.max(0, this.active + rows);
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
    this.size();
    this.element.scrollTop += rows * this.rowPx;
  }

  size() {
    setVars(this.origin, { "--height": `${this.rows * this.rowPx}px` });
  }

  draw() {
    this.size();
    const { scrollTop, clientHeight } = this.element;
    const visible = Math.ceil(clientHeight / this.rowPx);
    const spare = Math.max(2, Math.floor((MOST_ROWS - visible) / 2) - 2);
    const from = Math.max(0, Math.floor(scrollTop / this.rowPx) - Math.min(spare, 10));
    const to = Math.min(this.rows, from + Math.min(MOST_ROWS, visible + 2 * Math.min(spare, 10) + 1));
    this.put(from, to);
    if (this.rows * this.rowPx - scrollTop - clientHeight < AHEAD_PX && !this.error) this.extend();
    if (scrollTop < AHEAD_PX && this.first > 0 && !this.error) this.extendBack();
  }

  put(from, to) {
    for (const [index, node] of this.shown) {
      if (index >= from && index < to) continue;
      node.remove();
      this.shown.delete(index);
    }
    for (let index = from; index < to; index += 1) if (!this.shown.has(index)) this.make(index);
  }

  make(index) {
    const node = this.row(this.item(index));
    node.setAttribute("aria-rowindex", String(this.before + index + 1));
    node.tabIndex = index === this.active ? 0 : -1;
    setVars(node, { "--y": `${index * this.rowPx}px` });
    this.shown.set(index, node);
    this.origin.append(node);
  }

  redraw() {
    const focused = [...this.shown].find(([, node]) => node.contains(document.activeElement))?.[0];
    for (const node of this.shown.values()) node.remove();
    this.shown.clear();
    this.draw();
    if (focused !== undefined) this.shown.get(focused)?.focus({ preventScroll: true });
  }

  /** Puts a newer version of an item in its place; says whether it is known. */
  replace(item) {
    for (const page of this.pages) {
      const at = page.items.findIndex(({ id }) => id === item.id);
      if (at >= 0) {
        page.items[at] = { ...page.items[at], ...item };
        return true;
      }
    }
    return false;
  }

  setRowPx(px) {
    if (px === this.rowPx) return;
    const top = this.element.scrollTop / this.rowPx;
    this.rowPx = px;
    setVars(this.element, { "--row": `${px}px` });
    this.element.scrollTop = top * px;
    this.redraw();
  }

  /** Moves focus to a row and brings it into view. */
  focus(index) {
    this.active = Math.max(0, Math.min(this.rows - 1, index));
    const top = this.active * this.rowPx;
    const { scrollTop } = this.element;
    const clientHeight = this.element.clientHeight - this.origin.offsetTop;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowPx > scrollTop + clientHeight) this.element.scrollTop = top + this.rowPx - clientHeight;
    this.draw();
    for (const [at, node] of this.shown) node.tabIndex = at === this.active ? 0 : -1;
    this.shown.get(this.active)?.focus({ preventScroll: true });
  }

  tell() {
    this.element.setAttribute("aria-busy", String(this.isLoading));
    this.onchange({ loaded: this.loaded, isLoading: this.isLoading, isEnd: this.isEnd, error: this.error });
  }
}

function steer(list, event, { onopen, onselect, onmenu }) {
  if (event.target !== list.element && event.target.getAttribute("role") !== "row") return;
  const step = Math.max(1, Math.floor(list.element.clientHeight / list.rowPx) - 1);
  const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: step, PageUp: -step };
  const item = list.item(list.active);
  if (event.key in moves) list.focus(event.target === list.element ? list.active : list.active + moves[event.key]);
  else if (event.key === "Home") { if (list.first > 0) list.reset(); else list.focus(0); }
  else if (event.key === "End") list.focus(list.rows - 1);
  else if (event.key === "Enter" && item) onopen?.(item);
  else if (event.key === " " && item) onselect?.(item);
  else if (event.key === "m" && item) onmenu?.(item, list.shown.get(list.active));
  else return;
  event.preventDefault();
}
