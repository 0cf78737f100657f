// Pieces that several pages of this kind are made of.
import { h, icon, show } from "../lib/dom.js";
import { errorText } from "../lib/page.js";
import { button } from "../ui/button.js";

const SYMBOLS = {
  queued: "clock",
  running: "run",
  succeeded: "done",
  failed: "error",
  cancelled: "blocked",
  delivered: "done",
  dead: "error",
  pending: "clock",
  ok: "done",
  bad: "error",
  warn: "warning",
};

/** A state as icon, word and colour. */
export function stateBadge(state, word) {
  return h("span", { class: "state", dataset: { state } }, icon(SYMBOLS[state] ?? "info", "small"), word);
}

/** A list of names and values; values may be nodes. Pairs without a value are left out. */
export function facts(pairs) {
  return h(
    "dl",
    { class: "facts" },
    pairs
      .filter((pair) => pair && pair[1] !== null && pair[1] !== undefined && pair[1] !== "")
      .flatMap(([name, value]) => [h("dt", {}, name), h("dd", { dir: "auto" }, value)]),
  );
}

/** A table that scrolls within itself. Columns are {name, number, cell(row)}. */
export function table({ label, columns, rows, empty = null }) {
  if (!rows.length && empty) return emptyState({ text: empty });
  return h(
    "div",
    { class: "table-scroll", role: "region", "aria-label": label, tabindex: "0" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map(({ name, number, quiet }) =>
            h(
              quiet ? "td" : "th",
              { scope: quiet ? null : "col", class: number ? "number" : "" },
              quiet ? h("span", { class: "visually-hidden" }, name) : name,
            ),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            columns.map(({ number, cell, kind = "" }) =>
              h("td", { class: `${number ? "number" : ""} ${kind}`.trim() }, cell(row)),
            ),
          ),
        ),
      ),
    ),
  );
}

/** One sentence and one way on. */
export function emptyState({ text, symbol = "info", action = null }) {
  return h("div", { class: "empty" }, icon(symbol), h("p", {}, text), action);
}

/** What stands where something could not be read: text, and the way to try again. */
export function failedState(app, error, again) {
  report(error);
  return emptyState({
    text: errorText(app.t, error),
    symbol: "error",
    action: button({ label: app.t("common.retry"), symbol: "retry", onclick: again }),
  });
}

/** A card with its heading and the buttons beside it. */
export function card(title, content, tools = null) {
  return h(
    "section",
    { class: "card" },
    h("header", { class: "spread" }, h("h2", {}, title), tools && h("div", { class: "row" }, tools)),
    content,
  );
}

/** The head of a page: its one `h1`, a sentence, and its buttons. */
export function pageHead(title, about = null, tools = null) {
  return h(
    "header",
    { class: "page-head spread" },
    h("div", {}, h("h1", {}, title), about && h("p", { class: "muted" }, about)),
    tools && h("div", { class: "row" }, tools),
  );
}

/** Draws a part anew only where its data changed, and gives focus back to the same control (`data-focus`). */
export function redraw(host, data, draw) {
  const text = JSON.stringify(data);
  if (host.drawnFrom === text) return;
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  host.drawnFrom = text;
  show(host, draw(data));
  if (focused) host.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

/** Runs an action of the user: says what came of it; an error stands in a message. Returns whether it went well. */
export async function act(app, run, done = null) {
  try {
    await run();
    if (done) app.toasts.show(done, { kind: "ok" });
    return true;
  } catch (error) {
    report(error);
    if (error.name !== "AbortError") app.toasts.show(errorText(app.t, error), { kind: "bad" });
    return false;
  }
}

/** A mistake of ours is none of the service: it belongs into the console. */
function report(error) {
  if (!["ApiError", "NoAnswer", "AbortError"].includes(error.name)) console.error(error);
}

/** Copies a text; where the browser does not let us, it is selected for the user to copy. */
export async function copy(app, text, source = null) {
  try {
    await navigator.clipboard.writeText(text);
    app.toasts.show(app.t("common.copied"), { kind: "ok" });
  } catch {
    source?.select?.();
    app.toasts.show(app.t("copy.by_hand"));
  }
}

/** Saves bytes as a file of the user's. */
export function saveBlob(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** The first characters of an id; the whole is in the title. */
export function shortId(id) {
  return id ? h("code", { title: id, class: "nowrap" }, id.slice(0, 8)) : "–";
}

/** Seconds between two times, or null. */
export function between(from, to) {
  return from && to ? (new Date(to) - new Date(from)) / 1000 : null;
}
