// What the page knows, and how events change it.
import { apply } from "./edit.js";
import { fresh, record, redo, undo } from "./undo.js";

export const OPEN = new Set(["sending", "queued", "running"]);

export const emptyForm = () => ({
  task: "text2music", touched: {}, instrumental: false, describe: false, source: null, reference: null,
  target: null,
});

/** Returns the state before anything was loaded; `session` is a value of session.js. */
export const initialState = (session, level = "simple") => ({
  form: fresh(emptyForm()), formVersion: 0, level, problem: null,
  fields: [], offer: null, caller: null, stats: null,
  jobs: [], edits: fresh(session), selected: null, dock: false, saved: "saved", readOnly: false,
});

const EVENTS = {
  set: (state, { changes }) => ({ ...state, ...changes }),
  form: (state, { changes, merge }) => withForm(state, { ...state.form.present, ...changes }, merge),
  touch: (state, { name, value }) => withForm(state, touched(state.form.present, name, value), name),
  "fill-form": (state, { changes }) => newForm(state, record(state.form, { ...state.form.present, ...changes })),
  "undo-form": (state) => newForm(state, undo(state.form)),
  "redo-form": (state) => newForm(state, redo(state.form)),
  "add-job": (state, { job }) => ({ ...state, jobs: [job, ...state.jobs] }),
  "change-job": (state, { key, changes }) => ({ ...state, jobs: changedJobs(state.jobs, key, changes) }),
  "remove-job": (state, { key }) => ({ ...state, jobs: state.jobs.filter((job) => job.key !== key) }),
  edit: edit,
  "undo-edit": (state) => ({ ...state, edits: undo(state.edits), saved: "changed" }),
  "redo-edit": (state) => ({ ...state, edits: redo(state.edits), saved: "changed" }),
  "open-session": (state, { session }) => ({
    ...state, edits: fresh(session), selected: null, dock: session.tracks.length > 0,
  }),
};

export const reduce = (state, event) => EVENTS[event.type](state, event);

export const sessionOf = (state) => state.edits.present;

function withForm(state, form, merge) {
  return { ...state, form: record(state.form, form, merge), problem: null };
}

/** A form that did not come from its fields: the version tells them to show new values. */
function newForm(state, form) {
  return { ...state, form, formVersion: state.formVersion + 1, problem: null };
}

function touched(form, name, value) {
  const others = Object.fromEntries(Object.entries(form.touched).filter(([known]) => known !== name));
  return { ...form, touched: value === undefined ? others : { ...others, [name]: value } };
}

function edit(state, { command, merge = null }) {
  if (state.readOnly) return state;
  const edits = record(state.edits, apply(state.edits.present, command), merge);
  return edits === state.edits ? state : { ...state, edits, saved: "changed" };
}

/** A job's progress never goes back within an attempt, and an ended one never changes its state. */
function changedJobs(jobs, key, changes) {
  return jobs.map((job) => {
    if (job.key !== key) return job;
    const next = { ...job, ...changes };
    if (job.state === "running" && next.state === "running" && job.attempt === next.attempt) {
      next.progress = Math.max(job.progress ?? 0, next.progress ?? 0);
    }
    return next;
  });
}
