// One line of the task list, and the columns that it has.
import { h } from "../lib/dom.js";
import { clockText } from "../lib/format.js";
import { button } from "../ui/button.js";
import { between, stateBadge } from "./parts.js";

/** Least and shares of the width of a column, in pixels. */
const WIDTHS = {
  state: [108, 0],
  created: [128, 0],
  team: [84, 1.2],
  key: [108, 0],
  type: [80, 0],
  model: [96, 1.6],
  prompt: [160, 5],
  length: [52, 0],
  takes: [48, 0],
  waited: [56, 0],
  ran: [56, 0],
  priority: [60, 0],
  seeds: [108, 0],
  error: [72, 1],
};
const AROUND_PX = 28 + 72 + 24;
const GAP_PX = 10;
export const COLUMNS = Object.keys(WIDTHS);
export const USUAL = ["state", "created", "team", "type", "model", "prompt", "length", "waited", "ran", "error"];
const NUMBERS = new Set(["length", "takes", "waited", "ran", "priority"]);

/** CSS variables of lines with these columns, between the tick and the buttons. */
export function gridOf(columns) {
  const widths = columns.map((name) =>
    (([least, share]) => (share ? `minmax(${least}px, ${share}fr)` : `${least}px`))(WIDTHS[name]),
  );
  const least = columns.reduce((sum, name) => sum + WIDTHS[name][0], AROUND_PX + GAP_PX * (columns.length + 1));
  return { "--columns": `28px ${widths.join(" ")} 72px`, "--least": `${least}px`, "--gap": `${GAP_PX}px` };
}

/** The head of the list. */
export function headRow(app, columns) {
  const cell = (text, name = "") => h("span", { role: "columnheader", class: NUMBERS.has(name) ? "number" : "" }, text);
  return h(
    "div",
    { role: "row", class: "task-row head-row" },
    cell(h("span", { class: "visually-hidden" }, app.t("tasks.select"))),
    columns.map((name) => cell(app.t(`column.${name}`), name)),
    cell(h("span", { class: "visually-hidden" }, app.t("tasks.actions"))),
  );
}

/** A line; the whole of it opens the record, but for its controls. */
export function taskRow(app, task, { columns, selected, onselect, onopen, onplay, onmenu }) {
  const { t } = app;
  const tick = h("input", {
    type: "checkbox",
    tabindex: "-1",
    checked: selected,
    "aria-label": t("tasks.select_one", { id: task.id.slice(0, 8) }),
    onchange: () => onselect(task),
  });
  const plays = task.outputs.some(({ available }) => available);
  const row = h(
    "div",
    {
      role: "row",
      class: "task-row",
      "aria-selected": String(selected),
      dataset: { id: task.id },
      onclick: (event) => {
        if (!event.target.closest("button, input, a")) onopen(task);
      },
    },
    h("span", { role: "gridcell", class: "tick" }, tick),
    columns.map((name) =>
      h(
        "span",
        {
          role: "gridcell",
          class: `c-${name} ${NUMBERS.has(name) ? "number" : "clip"}`,
          title: titleOf(app, task, name),
        },
        cellOf(app, task, name),
      ),
    ),
    h(
      "span",
      { role: "gridcell", class: "controls" },
      plays &&
        button({
          label: t("tasks.play"),
          symbol: "play",
          kind: "quiet",
          iconOnly: true,
          tabindex: "-1",
          reason: app.lacks("audio:read"),
          onclick: () => onplay(task),
        }),
      button({
        label: t("common.more"),
        symbol: "more",
        kind: "quiet",
        iconOnly: true,
        tabindex: "-1",
        "aria-haspopup": "menu",
        onclick: ({ currentTarget }) => onmenu(task, currentTarget),
      }),
    ),
  );
  return row;
}

function cellOf(app, task, name) {
  const { t, format } = app;
  switch (name) {
    case "state":
      return stateBadge(task.state, t(`state.${task.state}`));
    case "created":
      return format.moment(task.created_at);
    case "team":
      return app.teamName(task.team_id);
    case "key":
      return task.key_prefix ?? "–";
    case "type":
      return task.task_type ? t(`task.${task.task_type}`) : "–";
    case "model":
      return task.dit_model.replace(/^acestep-/, "");
    case "prompt":
      return h("span", { dir: "auto" }, task.prompt || "–");
    case "length":
      return task.duration === null ? "–" : clockText(task.duration);
    case "takes":
      return format.number(task.batch_size);
    case "waited":
      return format.seconds(between(task.created_at, task.started_at));
    case "ran":
      return format.seconds(between(task.started_at, task.finished_at));
    case "priority":
      return format.number(task.priority);
    case "seeds":
      return task.seeds.join(", ") || "–";
    default:
      return task.error_code && task.error_code !== "cancelled" ? h("span", { class: "bad" }, task.error_code) : "";
  }
}

function titleOf(app, task, name) {
  if (name === "prompt") return task.prompt;
  if (name === "model") return task.dit_model;
  if (name === "created") return app.format.dateTime(task.created_at);
  if (name === "error") return task.error_code;
  return null;
}
