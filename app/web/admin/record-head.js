// What can be done with a record, and the head that offers it.
import { h } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openMenu } from "../ui/menu.js";
import { cancel, erase, hold, priority, reasonAgainst, repeat, rerunWith } from "./actions.js";
import { copy, pageHead, saveBlob, stateBadge } from "./parts.js";

/** The head of a record: what it is, and all that can be done with it. */
export function recordHead(app, task, { load, chooseOther }) {
  const { t } = app;
  const able = (action) => reasonAgainst(app, action, task);
  const done = (change) => {
    if (change.made) app.router.go(["record", change.made]);
    else load();
  };
  const more = [
    {
      label: t("action.rerun_new"),
      symbol: "dice",
      reason: able("rerun"),
      action: () => repeat(app, task, "rerun", { seeds: "new" }, done),
    },
    { label: t("action.rerun_changed"), symbol: "edit", reason: able("rerun"), action: () => rerunWith(app, task) },
    { label: t("action.compare"), symbol: "split", action: () => chooseOther() },
    "-",
    { label: t("record.copy_curl"), symbol: "copy", action: () => copy(app, curlOf(task)) },
    {
      label: t("record.save_json"),
      symbol: "download",
      action: () =>
        saveBlob(new Blob([JSON.stringify(task, null, 2)], { type: "application/json" }), `${task.id}.json`),
    },
    { label: t("action.priority"), symbol: "up", reason: able("priority"), action: () => priority(app, task, done) },
    {
      label: t(task.legal_hold ? "action.release" : "action.hold"),
      symbol: "key",
      reason: able("hold"),
      action: () => hold(app, task, done),
    },
    "-",
    { label: t("action.erase"), symbol: "trash", reason: able("erase"), action: () => erase(app, task, done) },
  ];
  return pageHead(
    t("record.heading", { type: task.task_type ? t(`task.${task.task_type}`) : "" }),
    h("span", { class: "row" }, stateBadge(task.state, t(`state.${task.state}`)), h("code", {}, task.id)),
    [
      ["queued", "running"].includes(task.state) &&
        button({
          label: t("action.cancel"),
          symbol: "stop",
          kind: "danger",
          reason: able("cancel"),
          "data-focus": "cancel",
          onclick: () => cancel(app, task, done),
        }),
      ["failed", "cancelled"].includes(task.state) &&
        button({
          label: t("action.retry"),
          symbol: "retry",
          kind: "primary",
          reason: able("retry"),
          "data-focus": "retry",
          onclick: () => repeat(app, task, "retry", {}, done),
        }),
      button({
        label: t("action.rerun"),
        symbol: "redo",
        kind: "plain",
        reason: able("rerun"),
        "data-focus": "rerun",
        onclick: () => repeat(app, task, "rerun", { seeds: "same" }, done),
      }),
      button({
        label: t("common.more"),
        symbol: "more",
        kind: "plain",
        "aria-haspopup": "menu",
        "data-focus": "more",
        onclick: ({ currentTarget }) => openMenu(currentTarget, t("tasks.actions"), more),
      }),
    ].filter(Boolean),
  );
}

/** The request as a command line; the key stays a variable. */
function curlOf(task) {
  const body = JSON.stringify(task.parameters_raw).replaceAll("'", "'\\''");
  return `curl -X POST "$ACESTEP_URL/release_task" -H "Authorization: Bearer $ACESTEP_API_KEY" -H "Content-Type: application/json" -d '${body}'`;
}
