// The filters of the task list: in the hash, in the form, as chips, in the request. Pure but for the form.
import { h, icon, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { field, select, textInput } from "../ui/field.js";

export const STATES = ["queued", "running", "succeeded", "failed", "cancelled"];
const TYPES = ["text2music", "cover", "repaint", "lego", "extract", "complete"];
const CODES = [
  "validation",
  "input_unavailable",
  "queue_full",
  "quota_exceeded",
  "timeout",
  "gpu_out_of_memory",
  "worker_lost",
  "model_unavailable",
  "lm_failed",
  "storage_unavailable",
  "cancelled",
  "internal",
];
const TIMES = ["created_after", "created_before", "finished_after", "finished_before"];
const PLAIN = ["task_type", "team", "model", "key_id", "seed", "error_code", "q", "parent_id", "sha256", ...TIMES];
const TYPING_MS = 400;

/** Reads the filters of a place: {state: [...], others: text}; labels are written `name=value`. */
export function filtersOf(query) {
  const found = {
    state: (query.state ?? []).filter((state) => STATES.includes(state)),
    order: query.order?.[0] === "asc" ? "asc" : "desc",
  };
  for (const name of [...PLAIN, "label"]) found[name] = query[name]?.[0] ?? "";
  return found;
}

/** The query parameters of `/v1/tasks` for filters. */
export function paramsOf(filters) {
  const { label, order, ...params } = filters;
  const at = label.indexOf("=");
  for (const name of TIMES) if (params[name]) params[name] = withZone(params[name]);
  return {
    ...params,
    order: order === "asc" ? "asc" : undefined,
    ...(at > 0 ? { [`label.${label.slice(0, at).trim()}`]: label.slice(at + 1).trim() } : {}),
  };
}

/** What a place keeps of filters: all that is set. */
export function queryOf(filters) {
  return Object.fromEntries(
    Object.entries(filters).filter(([name, value]) => value.length && !(name === "order" && value === "desc")),
  );
}

/** The filters that are set, as {name, value, text}. */
export function setFilters(app, filters) {
  const { t } = app;
  const words = { state: (value) => t(`state.${value}`), task_type: (value) => t(`task.${value}`), team: app.teamName };
  return Object.entries(filters).flatMap(([name, value]) =>
    name === "order"
      ? []
      : [value]
          .flat()
          .filter(Boolean)
          .map((one) => ({
            name,
            value: one,
            text: name === "state" ? words.state(one) : `${t(`filter.${name}`)}: ${words[name]?.(one) ?? one}`,
          })),
  );
}

/** Takes one value away. */
export function without(filters, { name, value }) {
  return { ...filters, [name]: Array.isArray(filters[name]) ? filters[name].filter((one) => one !== value) : "" };
}

/** The form and its chips; `onchange(filters)` hears of every change. `draw(filters)` shows others. */
export function filterBar(app, models, onchange) {
  let filters = filtersOf({});
  const form = h("form", {
    class: "filters",
    role: "search",
    "aria-label": app.t("filter.search"),
    onsubmit: (event) => event.preventDefault(),
  });
  const chips = h("div", { class: "row chips" });
  const change = (part) => onchange({ ...filters, ...part });
  const controls = makeControls(app, models, change);
  const more = h(
    "details",
    { class: "more-filters" },
    h("summary", {}, icon("filter", "small"), app.t("filter.more")),
    h("div", { class: "filters" }, controls.rare),
  );
  show(form, controls.common, more);
  return {
    form,
    chips,
    draw(next) {
      filters = next;
      controls.set(next);
      const set = setFilters(app, next);
      show(
        chips,
        set.map((one) =>
          h(
            "span",
            { class: "chip" },
            h("span", { dir: "auto" }, one.text),
            h(
              "button",
              {
                type: "button",
                "aria-label": app.t("filter.remove", { name: one.text }),
                onclick: () => onchange(without(filters, one)),
              },
              icon("close", "small"),
            ),
          ),
        ),
        set.length > 0 &&
          button({
            label: app.t("filter.clear"),
            kind: "quiet",
            onclick: () => onchange({ ...filtersOf({}), order: filters.order }),
          }),
      );
    },
  };
}

function makeControls(app, models, change) {
  const { t } = app;
  const any = { value: "", label: t("filter.any") };
  const choice = (name, options) => [
    name,
    select({ options: [any, ...options], onchange: ({ target }) => change({ [name]: target.value }) }),
  ];
  const words = (name, props = {}) => [
    name,
    textInput({ ...props, oninput: slowly(({ target }) => change({ [name]: target.value.trim() })) }),
  ];
  const time = (name) => [
    name,
    h("input", { class: "input", type: "datetime-local", onchange: ({ target }) => change({ [name]: target.value }) }),
  ];
  const states = [
    "state",
    select({
      options: [any, ...STATES.map((value) => ({ value, label: t(`state.${value}`) }))],
      onchange: ({ target }) => change({ state: target.value ? [target.value] : [] }),
    }),
  ];
  const teams = app.isAdmin
    ? [
        choice(
          "team",
          [...app.teams.values()].map(({ id, name }) => ({ value: id, label: name })),
        ),
      ]
    : [];
  const common = [
    words("q", { type: "search", placeholder: t("filter.q_hint") }),
    states,
    ...teams,
    choice(
      "task_type",
      TYPES.map((value) => ({ value, label: t(`task.${value}`) })),
    ),
    choice(
      "model",
      models.map((value) => ({ value, label: value })),
    ),
    time("created_before"),
  ];
  const rare = [
    time("created_after"),
    time("finished_after"),
    time("finished_before"),
    words("seed", { inputmode: "numeric" }),
    choice(
      "error_code",
      CODES.map((value) => ({ value, label: value })),
    ),
    words("label", { placeholder: t("filter.label_hint") }),
    words("key_id"),
    words("parent_id"),
    words("sha256"),
    [
      "order",
      select({
        options: ["desc", "asc"].map((value) => ({ value, label: t(`filter.order_${value}`) })),
        onchange: ({ target }) => change({ order: target.value }),
      }),
    ],
  ];
  const wrap = ([name, control]) => field({ label: t(`filter.${name}`), control, name });
  const all = new Map([...common, ...rare]);
  return {
    common: common.map(wrap),
    rare: rare.map(wrap),
    set(filters) {
      for (const [name, control] of all) {
        const value = name === "state" ? (filters.state.length === 1 ? filters.state[0] : "") : filters[name];
        if (document.activeElement !== control || value === "") control.value = value;
      }
    },
  };
}

/** A time of a form is local; the API wants to know the zone. */
function withZone(text) {
  return /(Z|[+-]\d\d:\d\d)$/.test(text) ? text : new Date(text).toISOString();
}

/** Waits until nobody has typed for a moment. */
function slowly(run) {
  let timer = null;
  return (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(event), TYPING_MS);
  };
}
