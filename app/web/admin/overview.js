// What happens now: the queue, who waits, what runs, and where.
import { h, setVars, show } from "../lib/dom.js";
import { poll } from "../lib/poll.js";
import { throttle } from "../lib/store.js";
import { card, failedState, pageHead, redraw, shortId, table } from "./parts.js";
import { queueButton } from "./queue.js";
import { followWorkers } from "./workers.js";

const DRAW_MS = 250;
const MOST_READ = 8;

export function open(app, host) {
  const places = {
    numbers: h("div", { class: "tiles" }),
    control: h("div", { class: "row" }),
    loads: h("div", { class: "columns" }),
    running: h("div"),
    workers: h("div", { class: "workers" }),
  };
  show(
    host,
    pageHead(app.t("nav.overview"), app.t("overview.about"), places.control),
    places.numbers,
    places.loads,
    app.can("tasks:read") && card(app.t("overview.running"), places.running),
    app.isAdmin && card(app.t("overview.workers"), places.workers),
  );
  const hear = (status) => drawStatus(app, places, status);
  app.statusViews.add(hear);
  app.pulse.now();
  const ends = [() => app.statusViews.delete(hear)];
  if (app.can("tasks:read")) ends.push(followRunning(app, places.running));
  if (app.isAdmin) ends.push(followWorkers(app, places.workers));
  return { close: () => ends.forEach((end) => end()) };
}

function drawStatus(app, places, { stats, admin, error }) {
  if (error) {
    if (!places.numbers.drawnFrom)
      show(
        places.numbers,
        failedState(app, error, () => app.pulse.now()),
      );
    return;
  }
  redraw(places.numbers, tiles(app, stats, admin), (found) =>
    found.map(([label, value, hint, kind]) =>
      h(
        "div",
        { class: `tile ${kind ?? ""}` },
        h("span", { class: "muted small" }, label),
        h("strong", {}, value),
        h("span", { class: "muted small" }, hint),
      ),
    ),
  );
  if (!admin) return;
  redraw(places.control, { paused: admin.paused, waiting: admin.queue.size, running: stats.jobs.running }, (now) =>
    queueButton(app, now),
  );
  redraw(places.loads, [admin.teams, admin.models, admin.stages], () =>
    ["teams", "models", "stages"].map((kind) => card(app.t(`overview.${kind}`), loadTable(app, kind, admin[kind]))),
  );
}

function tiles(app, stats, admin) {
  const { t, format } = app;
  const hour = admin?.last_hour;
  return [
    [
      t("overview.waiting"),
      format.number(stats.queue_size),
      admin?.queue.max ? t("overview.of_max", { max: admin.queue.max }) : t("overview.no_limit"),
    ],
    [
      t("overview.running_now"),
      format.number(stats.jobs.running),
      t("overview.workers_online", { busy: stats.workers.busy, online: stats.workers.online }),
    ],
    admin && [t("overview.oldest"), format.seconds(admin.queue.oldest_seconds), t("overview.oldest_hint")],
    hour && [t("overview.finished"), format.number(hour.succeeded), t("overview.last_hour"), "ok"],
    hour && [
      t("overview.failed"),
      format.number(hour.failed),
      t("overview.cancelled_too", { count: hour.cancelled }),
      hour.failed ? "bad" : "",
    ],
    [t("overview.average"), format.seconds(stats.avg_job_seconds), t("overview.average_hint")],
    admin && [
      t("overview.health"),
      t(isWell(admin) ? "overview.health_ok" : "overview.health_bad"),
      `${t(`overview.redis_${admin.redis}`)}, ${t(`overview.store_${admin.store}`)}`,
      isWell(admin) ? "ok" : "bad",
    ],
    !admin && [t("overview.succeeded"), format.number(stats.jobs.succeeded), t("overview.since_start")],
  ].filter(Boolean);
}

function isWell({ redis, store }) {
  return redis === "ok" && store === "ok";
}

function loadTable(app, kind, loads) {
  const { t, format } = app;
  const name = ({ name: text }) => (kind === "stages" ? stageWord(t, text) : text);
  return table({
    label: t(`overview.${kind}`),
    rows: loads,
    empty: t("overview.nothing_live"),
    columns: [
      { name: t(`overview.${kind}_name`), cell: name, kind: "clip" },
      { name: t("state.queued"), number: true, cell: ({ queued }) => format.number(queued) },
      { name: t("state.running"), number: true, cell: ({ running }) => format.number(running) },
      { name: t("overview.oldest_short"), number: true, cell: ({ oldest_seconds: age }) => format.seconds(age) },
    ],
  });
}

export function stageWord(t, stage) {
  return t.has(`stage.${stage}`) ? t(`stage.${stage}`) : (stage ?? "–");
}

/** Keeps the list of running tasks: read now and then, moved by the live events between. */
function followRunning(app, host) {
  const tasks = new Map();
  const draw = throttle(() => drawRunning(app, host, [...tasks.values()]), DRAW_MS);
  const reading = poll({
    everyMs: 10_000,
    ask: async (signal) => {
      const { items } = await app.api.get("/v1/tasks", { state: "running", limit: 50 }, { signal });
      const before = new Map(tasks);
      tasks.clear();
      for (const item of items) tasks.set(item.id, { ...before.get(item.id), ...item });
      draw();
      await readProgress(app, [...tasks.values()].filter(({ news }) => !news).slice(0, MOST_READ), signal);
      draw();
    },
    onError: (error) => {
      if (!tasks.size) show(host, failedState(app, error, reading.now));
    },
  });
  const end = app.live.watch((news) => {
    if (news.state === "running" && tasks.has(news.task_id)) Object.assign(tasks.get(news.task_id), { news });
    else if (news.state === "running") reading.now();
    else tasks.delete(news.task_id);
    if (!document.hidden) draw();
  });
  return () => {
    reading.stop();
    draw.cancel();
    end();
  };
}

/** The stream tells only what changes from now on: how far a task was before stands in its record. */
async function readProgress(app, tasks, signal) {
  const records = await Promise.all(tasks.map(({ id }) => app.api.get(`/v1/tasks/${id}`, {}, { signal })));
  records.forEach(({ progress }, at) => {
    if (progress) tasks[at].news ??= progress;
  });
}

function drawRunning(app, host, tasks) {
  const { t, format } = app;
  redraw(host, tasks, () =>
    table({
      label: t("overview.running"),
      rows: tasks,
      empty: t("overview.nothing_runs"),
      columns: [
        { name: t("task.id"), cell: ({ id }) => h("a", { href: `#/record/${id}`, "data-focus": id }, shortId(id)) },
        {
          name: t("task.prompt"),
          cell: ({ prompt }) => h("span", { dir: "auto" }, prompt || "–"),
          kind: "clip wide-cell",
        },
        { name: t("task.team"), cell: ({ team_id: id }) => app.teamName(id), kind: "clip" },
        {
          name: t("task.stage"),
          cell: ({ news }) =>
            news ? `${stageWord(t, news.stage)}${news.steps ? ` ${news.step}/${news.steps}` : ""}` : t("state.running"),
        },
        { name: t("task.progress"), cell: ({ news }) => progressBar(news?.progress ?? 0, t("task.progress")) },
        { name: t("task.started"), number: true, cell: ({ started_at: at }) => format.clock(at) },
      ],
    }),
  );
}

/** A bar that says how far something is. */
export function progressBar(part, label) {
  const bar = h("div", {
    class: "progress",
    role: "progressbar",
    "aria-label": label,
    "aria-valuemin": "0",
    "aria-valuemax": "100",
    "aria-valuenow": String(Math.round(part * 100)),
  });
  setVars(bar, { "--part": part });
  return bar;
}
