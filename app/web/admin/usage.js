// What tasks have used, by day, team, model and key, as charts, as a table, as CSV; averages over time.
import { h, show } from "../lib/dom.js";
import { button, segmented } from "../ui/button.js";
import { chart } from "../ui/chart.js";
import { select } from "../ui/field.js";
import { act, card, emptyState, failedState, pageHead, saveBlob, table } from "./parts.js";

const RANGES = [7, 30, 90];
const MOST_POINTS = 400;
const DAY_MS = 86_400_000;

export function open(app, host, place) {
  const view = { by: "day", days: "30", team: "", ...single(place.query) };
  const charts = h("div", { class: "columns" });
  const rest = h("div");
  let ending = new AbortController();
  const load = async () => {
    ending.abort();
    ending = new AbortController();
    try {
      const { items } = await app.api.get("/v1/usage", paramsOf(view), { signal: ending.signal });
      draw(app, charts, rest, view, items);
    } catch (error) {
      if (error.name !== "AbortError") show(charts, failedState(app, error, load));
    }
  };
  const set = (part) => {
    Object.assign(view, part);
    app.router.replace(["usage"], view, { quiet: true });
    load();
  };
  show(host, pageHead(app.t("nav.usage"), app.t("usage.about"), controls(app, view, set)), charts, rest);
  load();
  return { close: () => ending.abort() };
}

function single(query) {
  return Object.fromEntries(["by", "days", "team"].filter((name) => query[name]).map((name) => [name, query[name][0]]));
}

function paramsOf({ by, days, team }) {
  const from = new Date(Date.now() - (Number(days) - 1) * DAY_MS).toISOString().slice(0, 10);
  return { from, group_by: by, team };
}

function controls(app, view, set) {
  const { t } = app;
  const groups = ["day", ...(app.isAdmin ? ["team"] : []), "model", "key"].map((value) => ({
    value,
    label: t(`usage.by_${value}`),
  }));
  const teams = [
    { value: "", label: t("usage.all_teams") },
    ...[...app.teams.values()].map(({ id, name }) => ({ value: id, label: name })),
  ];
  return [
    segmented({ label: t("usage.group"), options: groups, value: view.by, onpick: (by) => set({ by }) }),
    segmented({
      label: t("usage.range"),
      options: RANGES.map((days) => ({ value: String(days), label: t("usage.days", { count: days }) })),
      value: view.days,
      onpick: (days) => set({ days }),
    }),
    app.isAdmin &&
      h(
        "div",
        {},
        select({
          options: teams,
          value: view.team,
          "aria-label": t("task.team"),
          onchange: ({ target }) => set({ team: target.value }),
        }),
      ),
    button({
      label: "CSV",
      symbol: "download",
      kind: "plain",
      onclick: () =>
        act(
          app,
          async () => {
            const response = await app.api.open("/v1/usage", { params: { ...paramsOf(view), format: "csv" } });
            saveBlob(await response.blob(), "usage.csv");
          },
          t("tasks.exported"),
        ),
    }),
  ].filter(Boolean);
}

function draw(app, charts, rest, view, items) {
  const { t, format } = app;
  if (!items.length) {
    show(charts, emptyState({ text: t("usage.empty"), symbol: "chart" }));
    show(rest);
    return;
  }
  const rows = (view.by === "day" ? everyDay(items, Number(view.days)) : items).slice(-MOST_POINTS);
  const labels = rows.map((row) => labelOf(app, view.by, row));
  const column = (name) => rows.map((row) => row[name] ?? null);
  const texts = { table: t("chart.table"), empty: t("usage.empty"), hint: t("chart.hint") };
  const one = (key, name, color, write) =>
    card(
      t(`usage.${key}_title`),
      chart({
        title: t(`usage.${key}_title`),
        labels,
        series: [{ name: t(`usage.${key}`), values: column(name), color }],
        write,
        texts,
      }),
    );
  const time = (key, name, color) => {
    const [unit, size] = unitOf(column(name));
    const values = column(name).map((value) => (value === null ? null : value / size));
    return card(
      t(`usage.${key}_title`),
      chart({
        title: t(`usage.${key}_title`),
        labels,
        series: [{ name: t(`usage.${key}`), values, color }],
        write: (value) => format.unit(value, unit),
        texts,
      }),
    );
  };
  const whole = (value) => format.number(value, 0);
  show(
    charts,
    card(
      t("usage.tasks_title"),
      chart({
        title: t("usage.tasks_title"),
        labels,
        write: whole,
        texts,
        series: [
          { name: t("state.succeeded"), values: column("succeeded"), color: "--ok" },
          { name: t("state.failed"), values: column("failed"), color: "--bad" },
          { name: t("state.cancelled"), values: column("cancelled"), color: "--muted" },
        ],
      }),
    ),
    card(
      t("usage.averages_title"),
      chart({
        title: t("usage.averages_title"),
        labels,
        write: (value) => format.seconds(value),
        texts,
        kind: view.by === "day" ? "lines" : "bars",
        series: [
          { name: t("usage.run"), values: column("average_run_seconds"), color: "--run" },
          { name: t("usage.wait"), values: column("average_wait_seconds"), color: "--warn" },
        ],
      }),
    ),
    time("audio", "audio_seconds", "--track-0"),
    time("gpu", "gpu_seconds", "--track-4"),
    one("stored", "stored_bytes", "--track-5", (value) => format.bytes(value)),
  );
  show(rest, card(t("usage.table"), usageTable(app, view, items)));
}

/** The unit in which the largest of these seconds reads best, and its length in seconds. Pure. */
function unitOf(values) {
  const most = Math.max(0, ...values);
  return (
    [
      ["hour", 3600],
      ["minute", 60],
      ["second", 1],
    ].find(([, size]) => most >= 2 * size) ?? ["second", 1]
  );
}

/** One row for every day of the range, also for those without tasks. Pure but for the clock. */
function everyDay(items, days) {
  const found = new Map(items.map((row) => [row.day, row]));
  return Array.from({ length: days }, (_, at) =>
    new Date(Date.now() - (days - 1 - at) * DAY_MS).toISOString().slice(0, 10),
  ).map((day) => found.get(day) ?? { day, group: day });
}

function labelOf(app, by, row) {
  if (by === "day")
    return new Intl.DateTimeFormat(app.t.language, { month: "short", day: "numeric", timeZone: "UTC" }).format(
      new Date(row.day),
    );
  if (by === "team") return app.teamName(row.team);
  return row[by] ?? "–";
}

function usageTable(app, view, items) {
  const { t, format } = app;
  return table({
    label: t("usage.table"),
    rows: items,
    columns: [
      { name: t(`usage.by_${view.by}`), cell: (row) => labelOf(app, view.by, row), kind: "nowrap" },
      { name: t("usage.tasks"), number: true, cell: ({ tasks }) => format.number(tasks) },
      ...["succeeded", "failed", "cancelled"].map((name) => ({
        name: t(`state.${name}`),
        number: true,
        cell: (row) => format.number(row[name]),
      })),
      { name: t("usage.audio"), number: true, cell: (row) => format.seconds(row.audio_seconds) },
      { name: t("usage.gpu"), number: true, cell: (row) => format.seconds(row.gpu_seconds) },
      { name: t("usage.stored"), number: true, cell: (row) => format.bytes(row.stored_bytes) },
      { name: t("usage.run"), number: true, cell: (row) => format.seconds(row.average_run_seconds) },
      { name: t("usage.wait"), number: true, cell: (row) => format.seconds(row.average_wait_seconds) },
    ],
  });
}
