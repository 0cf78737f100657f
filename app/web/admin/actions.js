// What can be done with a task: cancel, retry, run again, priority, hold, delete; each with its reason where it cannot.
import { h } from "../lib/dom.js";
import { makeOnce } from "../lib/api.js";
import { errorText } from "../lib/page.js";
import { confirm, openDialog } from "../ui/dialog.js";
import { check, field, numberInput, textInput } from "../ui/field.js";
import { act } from "./parts.js";

const FINAL = ["succeeded", "failed", "cancelled"];
const ID_CHARS = 8;

/** Why this action cannot be done with this task, or null. */
export function reasonAgainst(app, action, task) {
  const { t } = app;
  const scope = {
    cancel: "tasks:cancel",
    retry: "tasks:write",
    rerun: "tasks:write",
    priority: "tasks:write",
    hold: "team:manage",
    erase: "tasks:delete",
  }[action];
  const isFinal = FINAL.includes(task.state);
  if (app.lacks(scope)) return app.lacks(scope);
  if (action === "cancel" && isFinal) return t("action.has_ended");
  if (action === "retry" && !["failed", "cancelled"].includes(task.state)) return t("action.retry_needs");
  if (action === "rerun" && !isFinal) return t("action.not_ended");
  if (action === "priority" && task.state !== "queued") return t("action.priority_needs");
  if (action === "erase" && task.state === "running") return t("action.cancel_first");
  if (action === "erase" && task.legal_hold) return t("action.is_held");
  return null;
}

/** The items of a task's menu; `done(change)` hears what happened. */
export function menuItems(app, task, done) {
  const { t } = app;
  const item = (action, symbol, run) => ({
    label: t(`action.${action}`),
    symbol,
    reason: reasonAgainst(app, action, task),
    action: run,
  });
  return [
    item("cancel", "stop", () => cancel(app, task, done)),
    item("retry", "retry", () => repeat(app, task, "retry", {}, done)),
    "-",
    item("rerun", "redo", () => repeat(app, task, "rerun", { seeds: "same" }, done)),
    {
      ...item("rerun", "dice", () => repeat(app, task, "rerun", { seeds: "new" }, done)),
      label: t("action.rerun_new"),
    },
    "-",
    item("priority", "up", () => priority(app, task, done)),
  ];
}

/** Cancels, after asking where work would be lost. */
export async function cancel(app, task, done) {
  const { t } = app;
  if (
    task.state === "running" &&
    !(await confirm({
      title: t("action.cancel_title"),
      text: t("action.cancel_effect"),
      yes: t("action.cancel"),
      no: t("action.keep"),
      danger: true,
    }))
  )
    return;
  await act(app, async () => done(await app.api.post(`/v1/tasks/${task.id}/cancel`)), t("action.cancel_asked"));
}

/** Makes a new task of an old one; the same wish sent twice makes one task. */
export async function repeat(app, task, how, body, done = () => {}) {
  const once = makeOnce();
  await act(app, async () => {
    const made = await app.api.submit(`/v1/tasks/${task.id}/${how}`, body, once);
    app.toasts.show(app.t("action.made"), {
      kind: "ok",
      action: { label: app.t("action.open_new"), run: () => app.router.go(["record", made.task_id]) },
    });
    done({ made: made.task_id });
  });
}

/** Asks for another priority. */
export async function priority(app, task, done) {
  const { t } = app;
  const input = numberInput({ min: -10, max: 10, step: 1, value: task.priority });
  const control = field({ label: t("column.priority"), control: input, hint: t("action.priority_hint") });
  const save = saver(
    app,
    control,
    () => app.api.patch(`/v1/tasks/${task.id}`, { priority: input.valueAsNumber }),
    done,
  );
  await openDialog({
    title: t("action.priority"),
    body: control,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("common.save"), value: "save", kind: "primary", check: save },
    ],
  });
}

/** Puts a legal hold on a task, or takes it away. */
export async function hold(app, task, done) {
  const wanted = !task.legal_hold;
  const { t } = app;
  if (
    !(await confirm({
      title: t(wanted ? "action.hold" : "action.release"),
      text: t(wanted ? "action.hold_effect" : "action.release_effect"),
      yes: t(wanted ? "action.hold" : "action.release"),
      no: t("common.cancel"),
    }))
  )
    return;
  await act(
    app,
    async () => done(await app.api.patch(`/v1/tasks/${task.id}`, { legal_hold: wanted })),
    t("common.saved"),
  );
}

/** Erases the content of a task, once its first characters were typed. */
export async function erase(app, task, done) {
  const { t } = app;
  const input = textInput({ spellcheck: "false" });
  const control = field({ label: t("action.erase_type", { id: task.id.slice(0, ID_CHARS) }), control: input });
  const save = saver(
    app,
    control,
    async () => {
      if (input.value.trim() !== task.id.slice(0, ID_CHARS)) throw new Error(t("action.erase_differs"));
      return app.api.delete(`/v1/tasks/${task.id}`);
    },
    done,
  );
  await openDialog({
    title: t("action.erase"),
    body: h("div", { class: "stack" }, h("p", {}, t("action.erase_effect")), control),
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("action.erase"), value: "erase", kind: "danger", check: save },
    ],
  });
}

/** A form of the effective parameters; what was changed is sent as overrides. */
export async function rerunWith(app, task) {
  const { t } = app;
  const names = Object.keys(task.parameters).filter((name) => !["seeds", "seed", "use_random_seed"].includes(name));
  const inputs = new Map(
    names.map((name) => [name, textInput({ value: written(task.parameters[name]), dir: "auto" })]),
  );
  const fresh = check({ label: t("action.new_seeds") });
  const problem = h("p", { class: "problem notice bad", hidden: true });
  const body = h(
    "div",
    { class: "stack" },
    h("p", { class: "muted" }, t("action.overrides_hint")),
    problem,
    fresh,
    h(
      "div",
      { class: "parameter-form" },
      [...inputs].map(([name, control]) => field({ label: name, control, name })),
    ),
  );
  const once = makeOnce();
  const send = async () => {
    const changed = names.filter((name) => inputs.get(name).value !== written(task.parameters[name]));
    const overrides = Object.fromEntries(changed.map((name) => [name, readValue(inputs.get(name).value)]));
    try {
      const made = await app.api.submit(
        `/v1/tasks/${task.id}/rerun`,
        { seeds: fresh.control.checked ? "new" : "same", overrides },
        once,
      );
      app.router.go(["record", made.task_id]);
      return true;
    } catch (error) {
      problem.hidden = false;
      problem.textContent = errorText(t, error);
      return false;
    }
  };
  await openDialog({
    title: t("action.rerun_changed"),
    body,
    wide: true,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("action.rerun"), value: "send", kind: "primary", check: send },
    ],
  });
}

function written(value) {
  return typeof value === "string" ? value : value === null ? "" : JSON.stringify(value);
}

/** A value as JSON where it is one; an empty field is the default. */
function readValue(text) {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The check of a dialog with one field: keeps it open, with the reason, where the service refuses. */
function saver(app, control, send, done) {
  return async () => {
    try {
      done(await send());
      app.toasts.show(app.t("common.saved"), { kind: "ok" });
      return true;
    } catch (error) {
      control.problem(errorText(app.t, error));
      return false;
    }
  };
}
