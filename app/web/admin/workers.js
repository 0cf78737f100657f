// The workers that live: what each is, holds and does, and how to let it end.
import { h, show } from "../lib/dom.js";
import { poll } from "../lib/poll.js";
import { facts, failedState, redraw, shortId, stateBadge } from "./parts.js";
import { drainButton } from "./queue.js";

const WORKERS_MS = 5000;

/** Keeps the cards of the workers that live; returns how to end it. */
export function followWorkers(app, host) {
  const reading = poll({
    everyMs: WORKERS_MS,
    ask: async (signal) => {
      const { items } = await app.api.get("/v1/admin/workers", { limit: 100 }, { signal });
      const alive = items.filter((worker) => worker.alive);
      const gone = items.length - alive.length;
      redraw(host, [alive.map((worker) => ({ ...worker, seen_at: null })), gone], () => [
        alive.length
          ? alive.map((worker) => workerCard(app, worker, () => reading.now()))
          : h("p", { class: "muted" }, app.t("overview.no_workers")),
        gone > 0 && h("p", { class: "muted small" }, app.t("overview.gone_workers", { count: gone })),
      ]);
    },
    onError: (error) => {
      if (!host.drawnFrom)
        show(
          host,
          failedState(app, error, () => reading.now()),
        );
    },
  });
  return reading.stop;
}

function workerCard(app, worker, done) {
  const { t, format } = app;
  const state = worker.drain_requested
    ? ["warn", t("worker.draining")]
    : worker.task_ids.length
      ? ["running", t("worker.busy")]
      : ["ok", t("worker.idle")];
  const loaded = worker.loaded
    .map((one) => (typeof one === "string" ? one : (one.name ?? JSON.stringify(one))))
    .join(", ");
  return h(
    "article",
    { class: "worker" },
    h("header", { class: "spread" }, h("h3", {}, `${worker.host} · ${worker.pid}`), stateBadge(...state)),
    facts([
      [t("worker.device"), worker.device ?? "–"],
      [t("worker.memory"), worker.vram_mb ? format.bytes(worker.vram_mb * 1e6) : null],
      [t("worker.slots"), t("worker.slots_used", { used: worker.task_ids.length, slots: worker.slots })],
      [t("worker.loaded"), loaded || t("common.none")],
      [t("worker.version"), worker.version],
      [t("worker.since"), format.dateTime(worker.started_at)],
      [
        t("worker.tasks"),
        worker.task_ids.length
          ? worker.task_ids.map((id) => h("a", { href: `#/record/${id}` }, shortId(id), " "))
          : null,
      ],
    ]),
    h("div", { class: "row" }, drainButton(app, worker, done)),
  );
}
