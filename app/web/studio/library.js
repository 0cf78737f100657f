// The history of the team: newest first, by day, searched by the service.
import { h, icon, show } from "../lib/dom.js";
import { errorText } from "../lib/page.js";
import { throttle } from "../lib/store.js";
import { button } from "../ui/button.js";
import { select, textInput } from "../ui/field.js";
import { toSamples } from "../audio/units.js";
import { takeRow } from "./clip.js";
import { TASKS } from "./request.js";

const PAGE = 30;
const TYPING_MS = 400;

/** Shows the library in `host`; returns {noticed(news), load}. */
export function mountLibrary(host, studio, act) {
  const { t } = studio;
  const filters = filterFields(studio, () => search());
  const fresh = h("div", { class: "fresh" });
  const list = h("div", { class: "library-list" });
  const more = h("div", { class: "library-more" });
  host.append(filters.element, fresh, list, more);
  const view = { studio, act, list, more, fresh, filters, cursor: null, asked: null, days: new Set(), news: new Set() };
  const search = throttle(() => load(view, true), TYPING_MS);
  show(list, h("p", { class: "muted" }, t("common.loading")));
  return { load: () => load(view, true), noticed: (news) => notice(view, news) };
}

function filterFields({ t, models, store }, onChange) {
  const words = textInput({ type: "search", "aria-label": t("library.search"), placeholder: t("library.search"), oninput: onChange });
  const options = (values, name) => [{ value: "", label: t("library.any") }, ...values.map((value) => ({ value, label: name(value) }))];
  const state = select({ "aria-label": t("library.state"), options: options(["succeeded", "failed", "cancelled", "running", "queued"], (one) => t(`state.${one}`)), onchange: onChange });
  const task = select({ "aria-label": t("library.task"), options: options(TASKS, (one) => t(`task.${one}`)), onchange: onChange });
  const model = select({ "aria-label": t("library.model"), options: options([], String), onchange: onChange });
  store.watch((one) => one.offer, (offer) => offer && show(model, options(offer.models.map(({ name }) => name), String)
    .map(({ value, label }) => h("option", { value }, label))));
  const seed = textInput({ "aria-label": t("library.seed"), placeholder: t("library.seed"), inputmode: "numeric", oninput: onChange });
  const mine = h("input", { type: "checkbox", onchange: onChange });
  const label = textInput({ "aria-label": t("library.label"), placeholder: t("library.label"), oninput: onChange });
  const element = h("div", { class: "stack library-filters" }, words,
    h("details", {}, h("summary", {}, icon("filter", "small"), t("library.filters")),
      h("div", { class: "stack" }, state, task, model, seed, label, h("label", { class: "check" }, mine, t("library.mine")))));
  return {
    element,
    params: () => {
      const [name, value] = label.value.split("=").map((part) => part.trim());
      return {
        q: words.value.trim(), state: state.value, task_type: task.value, model: model.value,
        seed: /^\d+$/.test(seed.value.trim()) ? seed.value.trim() : "", key_id: mine.checked ? store.state.caller?.key_id : "",
        ...(name && value && { [`label.${name}`]: value }),
      };
    },
  };
}

async function load(view, anew = false) {
  const { studio, filters, list, more } = view;
  view.asked?.abort();
  const asked = (view.asked = new AbortController());
  if (anew) Object.assign(view, { cursor: null, days: new Set(), news: new Set() });
  show(view.fresh);
  try {
    const page = await studio.api.get("v1/tasks", { ...filters.params(), limit: PAGE, cursor: view.cursor }, { signal: asked.signal });
    if (anew) show(list);
    draw(view, page);
  } catch (error) {
    if (asked.signal.aborted) return;
    show(more, h("p", { class: "notice bad" }, errorText(studio.t, error)), button({ label: studio.t("common.retry"), kind: "plain", onclick: () => load(view, anew) }));
  }
}

function draw(view, page) {
  const { studio, list, more } = view;
  const { t, format } = studio;
  view.cursor = page.next_cursor;
  for (const task of page.items) {
    const day = format.day(task.created_at);
    if (!view.days.has(day)) list.append(h("h3", { class: "day" }, dayName(day, format, t)));
    view.days.add(day);
    list.append(taskCard(view, task));
  }
  if (!list.childElementCount) show(list, h("p", { class: "empty" }, t("library.empty")));
  show(more, page.has_more ? button({ label: t("library.more"), kind: "plain", onclick: () => load(view) }) : null);
}

function dayName(day, format, t) {
  const now = Date.now();
  if (day === format.day(now)) return t("library.today");
  return day === format.day(now - 86_400_000) ? t("library.yesterday") : day;
}

function taskCard({ studio, act }, task) {
  const { t, format } = studio;
  const sources = task.outputs.filter(({ available }) => available).map((output) => sourceOf(task, output));
  const symbol = { succeeded: "done", failed: "error", cancelled: "blocked", running: "run", queued: "clock" }[task.state];
  return h("section", { class: "library-task", dataset: { task: task.id } },
    h("div", { class: "spread" }, h("strong", { class: "grow ellipsis", dir: "auto" }, task.prompt || t("jobs.untitled")),
      h("span", { class: "state", dataset: { state: task.state } }, icon(symbol, "small"), t(`state.${task.state}`))),
    h("div", { class: "spread small muted" }, h("span", {}, [t(`task.${task.task_type ?? "text2music"}`), format.clock(task.created_at)].join(" · ")),
      button({ label: t("library.refill"), symbol: "edit", kind: "quiet", iconOnly: true, onclick: () => act.refillFromTask(task.id) })),
    sources.map((source, number) => takeRow(studio, act, source, { number })));
}

function sourceOf(task, output) {
  return {
    id: `${task.id}-${output.index}`, task_id: task.id, index: output.index, path: output.file, sha256: null,
    name: task.prompt || task.id, format: output.file.split(".").at(-1), samples: toSamples(task.duration ?? 0), nudge: 0,
    seed: task.seeds[output.index] ?? null, prompt: task.prompt, metas: {}, origin: "task", task: task.task_type,
  };
}

/** Counts tasks that ended since the list was loaded; they are shown when the user asks. */
function notice(view, news) {
  if (news.state !== "succeeded" || view.list.querySelector(`[data-task="${CSS.escape(news.task_id)}"] .take`)) return null;
  view.news.add(news.task_id);
  if (!view.list.querySelector(".library-task")) return load(view, true);
  return show(view.fresh, button({ label: view.studio.t("library.new", { count: view.news.size }), kind: "plain", onclick: () => load(view, true) }));
}
