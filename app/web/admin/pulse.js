// The few numbers in the head of every page, and the strip that says that the queue is paused.
import { h, icon, show } from "../lib/dom.js";
import { poll } from "../lib/poll.js";
import { resumeButton } from "./queue.js";

const EVERY_MS = 4000;

/** Keeps the numbers fresh; the overview asks for the same through `app.status`. */
export function startPulse(app, host) {
  const { t } = app;
  let isLive = false;
  let numbers = null;
  const draw = () =>
    show(
      host,
      h(
        "span",
        { class: "line", dataset: { live: String(isLive) } },
        icon("run", "small"),
        t(isLive ? "pulse.live" : "pulse.polling"),
      ),
      numbers && [
        h(
          "span",
          {},
          numbers.max === null
            ? t("pulse.queue", { count: numbers.queued })
            : t("pulse.queue_of", { queued: numbers.queued, max: numbers.max }),
        ),
        h("span", {}, t("pulse.running", { n: numbers.running })),
        numbers.online !== null && h("span", {}, t("pulse.workers", { busy: numbers.busy, online: numbers.online })),
      ],
    );
  app.live.watchLine((next) => {
    isLive = next;
    draw();
  });
  app.statusViews = new Set();
  app.pulse = poll({
    everyMs: EVERY_MS,
    ask: async (signal) => {
      const status = await readStatus(app, signal);
      numbers = status.numbers;
      draw();
      await tellPaused(app, status.admin?.paused ? numbers.queued : null);
      for (const view of [...app.statusViews]) view(status);
    },
    onError: (error) => {
      for (const view of [...app.statusViews]) view({ error });
    },
  });
  if (!app.can("stats:read")) app.pulse.stop();
  draw();
}

/** Reads what this key may see: {stats, admin, numbers}. */
async function readStatus(app, signal) {
  const [stats, admin] = await Promise.all([
    app.api.get("/v1/stats", {}, { signal }),
    app.isAdmin ? app.api.get("/v1/admin/status", {}, { signal }) : null,
  ]);
  const max = stats.queue_maxsize >= 2 ** 31 - 1 ? null : stats.queue_maxsize;
  const numbers = { queued: stats.queue_size, max, running: stats.jobs.running, ...stats.workers };
  return { stats, admin, numbers };
}

/** The strip stays as it is while the number does: what has focus in it keeps it. */
async function tellPaused(app, waiting) {
  if (app.pausedWith === waiting) return;
  app.pausedWith = waiting;
  if (waiting === null) return app.strips.set("paused", null);
  const { resumeButton } = await import("./queue.js");
  return app.strips.set("paused", {
    kind: "warn",
    text: app.t("queue.is_paused", { count: waiting }),
    action: resumeButton(app),
  });
}
