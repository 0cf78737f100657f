// The form: six kinds of task, three levels of fields, and the button that sends it.
import { h, icon, show } from "../lib/dom.js";
import { button, segmented } from "../ui/button.js";
import { field as wrap, showProblem } from "../ui/field.js";
import { LEVELS } from "./fields.js";
import { TASKS, belongs, closedBy } from "./request.js";
import { sourceField } from "./sources.js";
import { makeWidget } from "./widgets.js";

const TASK_ICONS = { text2music: "spark", cover: "retry", repaint: "edit", lego: "plus", extract: "filter", complete: "done" };
export const TURBO_STEPS = 20;

/** Shows the form in `host`; `act` = {submit, improve, surprise, showRequest, pickSource}. */
export function mountForm(host, studio, act) {
  const { store, t } = studio;
  const form = host.querySelector("form");
  const parts = {
    tasks: h("div", { class: "tasks", role: "group", "aria-label": t("form.task") }),
    level: h("div", {}), head: h("div", { class: "problems", role: "alert" }), fields: h("div", { class: "form-fields" }),
    changed: h("div", { class: "row small muted" }), actions: h("div", { class: "form-actions" }),
  };
  show(form, parts.tasks, parts.level, parts.head, parts.fields, parts.changed, parts.actions);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    act.submit();
  });
  show(parts.actions, ...buttons(studio, act));
  const shape = (state) => {
    const { task, describe, source, reference, touched, instrumental } = state.form.present;
    return [state.level, task, describe, source?.id, reference?.id, state.formVersion, state.fields.length, touched.model,
      instrumental, state.offer?.stamp].join("|");
  };
  store.watch(shape, () => drawAll(parts, studio, act));
  store.watch((state) => state.form.present.touched, () => drawChanged(parts.changed, studio));
  store.watch((state) => state.problem, (problem) => drawProblem(parts, form, problem));
}

function buttons({ t }, act) {
  return [
    h("div", { class: "row" },
      button({ label: t("form.improve"), symbol: "edit", kind: "quiet", onclick: act.improve, id: "improve" }),
      button({ label: t("form.surprise"), symbol: "dice", kind: "quiet", onclick: act.surprise, id: "surprise" }),
      button({ label: t("form.request"), symbol: "log", kind: "quiet", onclick: act.showRequest, id: "request" })),
    h("div", { class: "generate" },
      button({ label: t("form.generate"), symbol: "spark", kind: "primary", type: "submit", id: "generate" }),
      h("kbd", { class: "muted small" }, "Ctrl+Enter")),
  ];
}

/** Returns what the chosen model may do: {category, lm, tasks}. */
export function offerOf(state) {
  const wanted = state.form.present.touched.model ?? state.offer?.default_model;
  const model = state.offer?.models.find(({ name }) => name === wanted);
  const tasks = new Set((state.offer?.models ?? []).flatMap((one) => one.supported_task_types));
  return { category: model?.category ?? null, lm: Boolean(state.offer?.lm_models.length), tasks, name: wanted ?? "" };
}

function drawAll(parts, studio, act) {
  const focused = document.activeElement?.closest?.("[data-name]")?.dataset.name;
  const { state } = studio.store;
  const offer = offerOf(state);
  drawTasks(parts.tasks, studio, offer);
  drawLevel(parts.level, studio);
  const { task } = state.form.present;
  const shown = state.fields.filter((field) => isShown(field, state));
  const groups = Map.groupBy(shown, ({ group }) => group);
  const sources = h("div", { class: "stack" },
    task === "text2music" ? null : sourceField(studio, act, "source"),
    state.level === "simple" && task === "text2music" ? null : sourceField(studio, act, "reference"));
  const children = [...groups].map(([group, fields]) => groupOf(group, fields, studio, offer));
  show(parts.fields, children[0], sources, ...children.slice(1), tinyNote(studio, offer));
  drawChanged(parts.changed, studio);
  if (focused) parts.fields.querySelector(`[data-name="${focused}"] :is(input, textarea, select)`)?.focus();
}

function isShown(field, { level, form }) {
  const { task, describe } = form.present;
  if (LEVELS.indexOf(field.level) > LEVELS.indexOf(level) || !belongs(field.name, task)) return false;
  if (field.name === "sample_query") return describe;
  return !(describe && task === "text2music" && ["prompt", "lyrics"].includes(field.name));
}

function drawTasks(host, { store, t }, offer) {
  const { task } = store.state.form.present;
  show(host, TASKS.map((name) => {
    const reason = offer.tasks.size && !offer.tasks.has(name) ? t("form.task_closed") : null;
    return h("button", {
      type: "button", class: "task", "aria-pressed": String(name === task), "aria-disabled": reason ? "true" : null,
      "aria-description": reason, title: reason ?? t(`task.${name}.hint`), dataset: { task: name },
      onclick: () => reason || store.send({ type: "form", changes: { task: name } }),
    }, icon(TASK_ICONS[name]), h("span", {}, t(`task.${name}`)));
  }));
}

function drawLevel(host, { store, settings, t }) {
  const options = LEVELS.map((level) => ({ value: level, label: t(`level.${level}`) }));
  show(host, segmented({
    label: t("form.level"), options, value: store.state.level,
    onpick: (level) => {
      settings.set("level", level);
      store.send({ type: "set", changes: { level } });
    },
  }));
}

function groupOf(group, fields, studio, offer) {
  const made = fields.map((field) => fieldOf(field, studio, offer));
  const { t, store } = studio;
  if (group === "text") {
    const canDescribe = store.state.form.present.task === "text2music" && offer.lm;
    return h("div", { class: "stack" }, canDescribe ? describeSwitch(studio) : null, made);
  }
  if (group === "output") return h("div", { class: "stack group-output" }, made);
  return h("fieldset", { class: "group" }, h("legend", {}, t(`group.${group}`)), h("div", { class: "stack" }, made));
}

function describeSwitch({ store, t }) {
  const { describe } = store.state.form.present;
  const options = [{ value: "no", label: t("form.custom") }, { value: "yes", label: t("form.write_for_me") }];
  return segmented({
    label: t("form.writing"), options, value: describe ? "yes" : "no",
    onpick: (value) => store.send({ type: "form", changes: { describe: value === "yes" } }),
  });
}

function fieldOf(given, studio, offer) {
  const { store, t } = studio;
  const { name } = given;
  const field = name === "inference_steps" && offer.category === "turbo" ? { ...given, most: TURBO_STEPS } : given;
  const { touched } = store.state.form.present;
  const closed = closedBy(name, offer);
  const change = (value) => {
    store.send({ type: "touch", name, value });
    reset.hidden = value === undefined;
  };
  const context = {
    t, offer: store.state.offer, form: store.state.form.present,
    setInstrumental: (instrumental) => store.send({ type: "form", changes: { instrumental }, merge: "instrumental" }),
  };
  const shown = touched[name] ?? (name === "thinking" && offer.lm ? true : undefined);
  const { element, control } = makeWidget(field, shown, change, context);
  const isSwitch = field.widget === "switch";
  const hint = closed ? t(`closed.${closed}`) : t(`hint.${name}`);
  const wrapped = isSwitch ? switchField(element, name, hint) : wrap({ label: labelOf(name, t), control: element, name, hint });
  if (!isSwitch && element !== control) relabel(wrapped, element, control, labelOf(name, t));
  const reset = button({
    label: t("form.reset_field", { field: labelOf(name, t) }), symbol: "undo", kind: "quiet", iconOnly: true,
    hidden: touched[name] === undefined,
    onclick: () => {
      store.send({ type: "touch", name, value: undefined });
      store.send({ type: "set", changes: { formVersion: store.state.formVersion + 1 } });
    },
  });
  wrapped.append(h("div", { class: "field-tools" }, reset, about(field, t)));
  wrapped.classList.toggle("wide", ["long", "lyrics", "tracks", "labels"].includes(field.widget));
  if (closed) wrapped.querySelectorAll("input, select, textarea, button").forEach((one) => (one.disabled = true));
  return wrapped;
}

const labelOf = (name, t) => (t.has(`field.${name}`) ? t(`field.${name}`) : name);

function switchField(element, name, hint) {
  return h("div", { class: "field switch-field", dataset: { name } }, element, h("p", { class: "hint" }, hint));
}

/** Ties the label and the hint to the control inside a widget of several parts. */
function relabel(wrapped, element, control, label) {
  const { id } = element;
  if (control.matches("input, textarea, select")) {
    element.removeAttribute("id");
    control.id = id;
    const hint = element.getAttribute("aria-describedby");
    if (hint) control.setAttribute("aria-describedby", hint);
    wrapped.control = control;
  } else if (!element.hasAttribute("role")) {
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", label);
  }
  element.removeAttribute("aria-describedby");
}

/** The "?": the parameter's name and what the API says about it. */
function about({ name, about: text }, t) {
  return h("details", { class: "about" }, h("summary", { "aria-label": t("form.about", { name }) }, "?"),
    h("p", { class: "small", lang: "en" }, h("code", {}, name), ` ${text}`));
}

function drawChanged(host, { store, settings, t }) {
  const { state } = store;
  const rank = LEVELS.indexOf(state.level);
  const hidden = LEVELS.slice(rank + 1).map((level) => {
    const names = state.fields.filter((field) => field.level === level && state.form.present.touched[field.name] !== undefined).map(({ name }) => name);
    return { level, names };
  }).filter(({ names }) => names.length);
  const open = (level) => {
    settings.set("level", level);
    store.send({ type: "set", changes: { level } });
  };
  const reset = (names) => {
    const touched = Object.fromEntries(Object.entries(state.form.present.touched).filter(([name]) => !names.includes(name)));
    store.send({ type: "fill-form", changes: { touched } });
  };
  show(host, hidden.map(({ level, names }) => h("span", { class: "row" },
    t("form.changed", { count: names.length, level: t(`level.${level}`) }),
    button({ label: t("form.show"), kind: "quiet", onclick: () => open(level) }),
    button({ label: t("form.reset"), kind: "quiet", onclick: () => reset(names) }))));
}

function drawProblem(parts, form, problem) {
  show(parts.head);
  if (!problem || showProblem(form, problem)) return;
  show(parts.head, h("p", { class: "notice bad" }, icon("error"), problem.text));
}

const tinyNote = ({ t }, { name }) => (name.includes("tiny") ? h("p", { class: "notice warn small" }, icon("info"), t("form.tiny")) : null);
