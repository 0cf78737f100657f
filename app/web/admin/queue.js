// Pause, resume and drain: each says what it will do before it does it.
import { button } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { act } from "./parts.js";

/** The button that pauses or resumes, whichever makes sense now. */
export function queueButton(app, { paused, waiting, running }) {
  return paused ? resumeButton(app) : pauseButton(app, waiting, running);
}

export function resumeButton(app) {
  return button({
    label: app.t("queue.resume"),
    symbol: "play",
    kind: "primary",
    reason: app.lacks("admin"),
    "data-focus": "queue",
    onclick: async () => {
      await act(app, () => app.api.post("/v1/admin/queue/resume"), app.t("queue.resumed"));
      app.pulse.now();
    },
  });
}

function pauseButton(app, waiting, running) {
  const { t } = app;
  return button({
    label: t("queue.pause"),
    symbol: "pause",
    kind: "plain",
    reason: app.lacks("admin"),
    "data-focus": "queue",
    onclick: async () => {
      const text = [
        t("queue.pause_waiting", { count: waiting }),
        t("queue.pause_running", { count: running }),
        t("queue.pause_new"),
      ];
      if (!(await confirm({ title: t("queue.pause_title"), text, yes: t("queue.pause"), no: t("common.cancel") })))
        return;
      await act(app, () => app.api.post("/v1/admin/queue/pause"), t("queue.paused"));
      app.pulse.now();
    },
  });
}

/** The button that lets a worker end its tasks and take no more. */
export function drainButton(app, worker, done) {
  const { t } = app;
  const reason = app.lacks("admin") ?? (worker.drain_requested ? t("worker.draining") : null);
  return button({
    label: t("worker.drain"),
    kind: "danger",
    reason,
    "data-focus": `drain ${worker.id}`,
    onclick: async () => {
      const text = [
        t("worker.drain_effect", { host: worker.host }),
        t("worker.drain_running", { count: worker.task_ids.length }),
      ];
      if (
        !(await confirm({
          title: t("worker.drain_title"),
          text,
          yes: t("worker.drain"),
          no: t("common.cancel"),
          danger: true,
        }))
      )
        return;
      await act(app, () => app.api.post(`/v1/admin/workers/${worker.id}/drain`), t("worker.drain_asked"));
      done();
    },
  });
}
