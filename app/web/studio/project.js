// The session of this tab: kept by itself, reopened, sent out and taken in as a file.
import { makeOnce } from "../lib/api.js";
import { fileName } from "../lib/format.js";
import { h } from "../lib/dom.js";
import { throttle } from "../lib/store.js";
import { confirm, openDialog } from "../ui/dialog.js";
import { field, textInput } from "../ui/field.js";
import { openMenu } from "../ui/menu.js";
import { asJson, asZip, emptySession, openFile } from "./session.js";
import { migrate } from "./migrate.js";
import { saveAs } from "./save.js";
import { OPEN } from "./state.js";

const AUTOSAVE_MS = 1000;
const LAST = "acestep-last-session";

/** Makes the keeper of sessions: {restore, menu, save, importFile}. */
export function createProject(studio) {
  const { store } = studio;
  const save = () => saveNow(studio);
  const later = throttle(save, AUTOSAVE_MS);
  store.watch((state) => state.edits.present, () => store.state.saved === "changed" && later());
  store.watch((state) => state.form.present, () => later());
  store.watch((state) => state.jobs, () => later());
  addEventListener("pagehide", () => later.flush());
  return {
    restore: () => restore(studio),
    menu: (anchor) => openMenu(anchor, studio.t("session.menu"), menuItems(studio)),
    save,
    importFile: (file) => importFile(studio, file),
  };
}

/** Returns the session as it goes to a file or to the browser: no address, no key. */
export function sessionToKeep({ store, clock = () => new Date() }) {
  const { edits, form, jobs } = store.state;
  const { task, touched, instrumental, describe } = form.present;
  return {
    ...edits.present, updated_at: clock().toISOString(), form: { task, touched, instrumental, describe },
    jobs: jobs.filter(({ id, state }) => id && OPEN.has(state)).map(({ id }) => id),
  };
}

async function saveNow(studio) {
  const { store, stores, t, toasts } = studio;
  if (store.state.readOnly) return;
  const session = sessionToKeep(studio);
  try {
    const kept = store.state.jobs.filter(({ id }) => id).slice(0, 100).map(({ stopping, ...job }) => job);
    await stores.put("drafts", "jobs", kept);
    await stores.put("drafts", "form", session.form);
    if (session.tracks.length || (await stores.get("sessions", session.id))) await stores.put("sessions", session.id, session);
    sessionStorage.setItem(LAST, session.id);
    await stores.put("drafts", "last", session.id);
    if (store.state.saved === "changed") store.send({ type: "set", changes: { saved: stores.lasts ? "saved" : "unsaved" } });
  } catch {
    if (store.state.saved !== "full") toasts.show(t("session.full"), { kind: "bad" });
    store.send({ type: "set", changes: { saved: "full" } });
  }
}

async function restore({ store, stores }) {
  const jobs = await stores.get("drafts", "jobs");
  const form = await stores.get("drafts", "form");
  const last = sessionStorage.getItem(LAST) ?? (await stores.get("drafts", "last"));
  const session = last && (await stores.get("sessions", last));
  if (form) store.send({ type: "fill-form", changes: form });
  if (session) store.send({ type: "open-session", session: migrate(session) });
  if (jobs) store.send({ type: "set", changes: { jobs } });
}

function menuItems(studio) {
  const { t } = studio;
  return [
    { label: t("session.new"), symbol: "plus", action: () => openNew(studio) },
    { label: t("session.open"), symbol: "folder", action: () => chooseSession(studio) },
    { label: t("session.rename"), symbol: "edit", action: () => rename(studio) },
    "-",
    { label: t("session.export_zip"), symbol: "download", action: () => exportZip(studio) },
    { label: t("session.export_json"), action: () => exportJson(studio) },
    { label: t("session.import"), symbol: "upload", action: () => pickFile(studio) },
  ];
}

function openNew({ store, t }) {
  store.send({ type: "open-session", session: emptySession(makeOnce(), t("session.untitled"), new Date().toISOString()) });
}

async function rename({ store, t }) {
  const input = textInput({ value: store.state.edits.present.name, maxlength: 80, autofocus: true });
  const answer = await openDialog({
    title: t("session.rename"), body: field({ label: t("session.name"), control: input }),
    actions: [{ label: t("common.cancel"), value: null }, { label: t("common.save"), value: "save", kind: "primary" }],
  });
  const name = input.value.trim();
  if (answer && name) store.send({ type: "edit", command: { type: "change", changes: { name } } });
}

async function chooseSession(studio) {
  const { stores, store, t, format } = studio;
  const sessions = (await stores.all("sessions")).sort((one, other) => other.updated_at.localeCompare(one.updated_at));
  let chosen = null;
  const rows = sessions.map((session) => h("li", { class: "spread" },
    h("label", { class: "check" }, h("input", { type: "radio", name: "session", onchange: () => { chosen = session; } }),
      h("span", { dir: "auto" }, session.name)),
    h("span", { class: "muted small" }, t("session.about", { count: session.tracks.length, when: format.ago(session.updated_at) }))));
  const body = rows.length ? h("ul", { class: "stack session-list" }, rows) : h("p", { class: "muted" }, t("session.none"));
  const answer = await openDialog({
    title: t("session.open"), body,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("session.delete"), value: "delete", kind: "danger", check: () => chosen !== null },
      { label: t("session.open_it"), value: "open", kind: "primary", check: () => chosen !== null },
    ],
  });
  if (answer === "open") store.send({ type: "open-session", session: migrate(chosen) });
  if (answer === "delete") await removeSession(studio, chosen);
}

async function removeSession({ stores, t }, session) {
  const yes = await confirm({ title: t("session.delete"), text: t("session.delete_text", { name: session.name }), yes: t("session.delete"), no: t("common.cancel"), danger: true });
  if (yes) await stores.remove("sessions", session.id);
}

function exportJson(studio) {
  const session = sessionToKeep(studio);
  saveAs(asJson(session), fileName(session.name, "acestep.json"));
}

async function exportZip(studio) {
  const session = sessionToKeep(studio);
  const audio = new Map();
  for (const source of session.sources) {
    const blob = await studio.sound.blob(source).catch(() => null);
    if (blob) audio.set(source.id, blob);
  }
  saveAs(await asZip(session, audio), fileName(session.name, "acestep.zip"));
}

function pickFile(studio) {
  const input = h("input", { type: "file", accept: ".json,.zip", onchange: () => input.files[0] && importFile(studio, input.files[0]) });
  input.click();
}

async function importFile(studio, file) {
  const { store, sound, t, toasts } = studio;
  try {
    const { session, audio } = await openFile(file);
    for (const source of session.sources) {
      if (audio.has(source.id)) await sound.add(source, audio.get(source.id));
    }
    store.send({ type: "open-session", session });
    store.send({ type: "fill-form", changes: safeForm(session.form) });
    store.send({ type: "set", changes: { saved: "changed" } });
    await saveNow(studio);
    toasts.show(t("session.imported", { name: session.name }), { kind: "ok" });
  } catch (error) {
    const known = error.reason && t.has(`session.error.${error.reason}`);
    toasts.show(known ? t(`session.error.${error.reason}`, { about: error.about ?? "" }) : t("session.error.broken", { about: error.message }), { kind: "bad" });
  }
}

/** Takes from a file only what the form knows how to show. */
function safeForm({ task, touched, instrumental, describe }) {
  const isObject = typeof touched === "object" && touched !== null && !Array.isArray(touched);
  return {
    ...(typeof task === "string" && { task }), ...(isObject && { touched }),
    instrumental: instrumental === true, describe: describe === true,
  };
}
