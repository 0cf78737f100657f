// Help with the form: rewrite by the language model, a random example, and the request as it will be sent.
import { h } from "../lib/dom.js";
import { isAbort } from "../lib/errors.js";
import { errorText } from "../lib/page.js";
import { button } from "../ui/button.js";
import { diffView } from "../ui/diff.js";
import { openDialog } from "../ui/dialog.js";
import { check } from "../ui/field.js";
import { requestOf } from "./actions.js";
import { curlOf } from "./request.js";

const FIELDS = [
  ["prompt", "caption"], ["lyrics", "lyrics"], ["bpm", "bpm"], ["key_scale", "key_scale"], ["time_signature", "time_signature"],
  ["audio_duration", "duration"], ["vocal_language", "vocal_language"],
];

/** Makes {improve, surprise, showRequest}. */
export function createAssist(studio) {
  return {
    improve: () => improve(studio),
    surprise: () => surprise(studio),
    showRequest: () => showRequest(studio),
  };
}

async function surprise({ api, store, t, toasts, showArea }) {
  try {
    const sample = await api.post("create_random_sample", { sample_type: "simple_mode" });
    const known = FIELDS.map(([name, key]) => [name, sample[key]]).filter(([, value]) => value !== "" && value !== null);
    const touched = { ...store.state.form.present.touched, ...Object.fromEntries(known) };
    if (sample.instrumental) delete touched.lyrics;
    store.send({ type: "fill-form", changes: { task: "text2music", describe: false, instrumental: sample.instrumental, touched } });
    showArea("create");
  } catch (error) {
    if (!isAbort(error)) toasts.show(errorText(t, error), { kind: "bad" });
  }
}

async function improve(studio) {
  const { api, store, t, toasts } = studio;
  const { touched } = store.state.form.present;
  const stop = new AbortController();
  const waiting = openDialog({
    title: t("improve.title"), body: h("p", { role: "status" }, t("improve.waiting")),
    actions: [{ label: t("improve.stop"), value: "stop" }],
  });
  waiting.then(() => stop.abort());
  const close = () => document.querySelector("dialog:has([role=status])")?.close();
  try {
    const named = { duration: touched.audio_duration, bpm: touched.bpm, key: touched.key_scale, time_signature: touched.time_signature, language: touched.vocal_language };
    const written = await api.post("format_input", {
      prompt: touched.prompt ?? "", lyrics: touched.lyrics ?? "", param_obj: Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined)),
    }, { signal: stop.signal, limitMs: 150_000 });
    close();
    await choose(studio, written);
  } catch (error) {
    close();
    if (!isAbort(error)) toasts.show(errorText(t, error), { kind: "bad" });
  }
}

async function choose({ store, t }, written) {
  const { touched } = store.state.form.present;
  const changed = FIELDS.map(([name, key]) => ({ name, old: touched[name], next: written[key] }))
    .filter(({ old, next }) => next !== null && next !== "" && next !== "unknown" && next !== old);
  const rows = changed.map((one) => {
    const tick = check({ label: t(`field.${one.name}`), checked: true });
    return { ...one, tick, element: h("div", { class: "stack" }, tick, diffView(String(one.old ?? ""), String(one.next))) };
  });
  const answer = await openDialog({
    title: t("improve.title"), wide: true,
    body: rows.length ? h("div", { class: "stack" }, rows.map(({ element }) => element)) : h("p", {}, t("improve.nothing")),
    actions: [{ label: t("common.cancel"), value: null }, ...(rows.length ? [{ label: t("improve.take"), value: "take", kind: "primary" }] : [])],
  });
  if (answer !== "take") return;
  const taken = rows.filter(({ tick }) => tick.control.checked).map(({ name, next }) => [name, next]);
  store.send({ type: "fill-form", changes: { touched: { ...touched, ...Object.fromEntries(taken) } } });
}

async function showRequest(studio) {
  const { t, act, api } = studio;
  const { request } = await requestOf(studio);
  const json = JSON.stringify(request.fields, null, 2);
  const curl = curlOf(api.base.replace(/\/$/, ""), request);
  const part = (title, text) => h("section", { class: "stack" }, h("div", { class: "spread" }, h("h3", {}, title),
    button({ label: t("common.copy"), symbol: "copy", kind: "quiet", onclick: () => act.copy(text) })), h("pre", { class: "code", tabindex: "0", "aria-label": title }, text));
  await openDialog({
    title: t("form.request"), wide: true, body: h("div", { class: "stack" }, part("JSON", json), part("curl", curl)),
    actions: [{ label: t("common.close"), value: null, kind: "primary" }],
  });
}
