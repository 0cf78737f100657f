// One action for many tasks: the single routes, four at a time, with progress, a stop, and a list of failures.
import { h, setVars, show } from "../lib/dom.js";
import { makeOnce } from "../lib/api.js";
import { errorText } from "../lib/page.js";
import { button } from "../ui/button.js";
import { confirm, openDialog } from "../ui/dialog.js";
import { progressBar } from "./overview.js";

const AT_ONCE = 4;

/** Asks, then cancels or retries all `tasks`; resolves when it has ended. */
export async function forAll(app, action, tasks) {
  const { t } = app;
  const texts = {
    title: t(`bulk.${action}_title`, { count: tasks.length }),
    text: t(`bulk.${action}_effect`),
    yes: t(`bulk.${action}`, { count: tasks.length }),
    no: t("common.cancel"),
  };
  if (!(await confirm({ ...texts, danger: action === "cancel" }))) return;
  const send =
    action === "cancel"
      ? (task) => app.api.post(`/v1/tasks/${task.id}/cancel`)
      : (task) => app.api.submit(`/v1/tasks/${task.id}/retry`, {}, makeOnce());
  await withProgress(app, texts.title, tasks, send);
}

async function withProgress(app, title, tasks, send) {
  const { t } = app;
  const bar = progressBar(0, title);
  const words = h("p", { role: "status" });
  const failures = h("ul", { class: "failures stack" });
  let isStopped = false;
  const closing = openDialog({
    title,
    body: h("div", { class: "stack" }, bar, words, failures),
    actions: [{ label: t("common.close"), value: "close", kind: "plain" }],
  }).then(() => {
    isStopped = true;
  });
  const result = await run(
    tasks,
    send,
    () => isStopped,
    ({ done, failed }) => {
      setVars(bar, { "--part": done / tasks.length });
      bar.setAttribute("aria-valuenow", String(Math.round((100 * done) / tasks.length)));
      words.textContent = t("bulk.progress", { done, total: tasks.length, failed: failed.length });
      show(
        failures,
        failed.map(({ task, error }) => h("li", {}, h("code", {}, task.id.slice(0, 8)), ` ${errorText(t, error)}`)),
      );
    },
  );
  await closing;
  return result;
}

/** Runs `send` for every task, a few at once, until `isStopped()`; tells {done, failed} after each. */
export async function run(tasks, send, isStopped, tell, atOnce = AT_ONCE) {
  const waiting = [...tasks];
  const state = { done: 0, failed: [] };
  const one = async () => {
    while (waiting.length && !isStopped()) {
      const task = waiting.shift();
      try {
        await send(task);
      } catch (error) {
        state.failed.push({ task, error });
      }
      state.done += 1;
      tell(state);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return state;
}

/** The bar below the list while tasks are selected. */
export function selectionBar(app, host, selected, { clear, done }) {
  const { t } = app;
  const tasks = [...selected.values()];
  host.hidden = tasks.length === 0;
  if (!tasks.length) return;
  const live = tasks.filter(({ state }) => state === "queued" || state === "running");
  const ended = tasks.filter(({ state }) => state === "failed" || state === "cancelled");
  const go = (action, some) => async () => {
    await forAll(app, action, some);
    done();
  };
  show(
    host,
    h("span", { class: "grow" }, t("bulk.selected", { count: tasks.length })),
    tasks.length === 2 &&
      button({
        label: t("action.compare"),
        kind: "plain",
        onclick: () => app.router.go(["compare", tasks[0].id, tasks[1].id]),
      }),
    button({
      label: t("bulk.retry", { count: ended.length }),
      kind: "plain",
      reason: app.lacks("tasks:write") ?? (ended.length ? null : t("action.retry_needs")),
      onclick: go("retry", ended),
    }),
    button({ label: t("bulk.clear"), kind: "quiet", onclick: clear }),
    button({
      label: t("bulk.cancel", { count: live.length }),
      kind: "danger",
      reason: app.lacks("tasks:cancel") ?? (live.length ? null : t("action.has_ended")),
      onclick: go("cancel", live),
    }),
  );
}
