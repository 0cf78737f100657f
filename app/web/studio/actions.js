// What the buttons of form, jobs and clips do.
import { makeOnce } from "../lib/api.js";
import { fileName } from "../lib/format.js";
import { errorText } from "../lib/page.js";
import { confirm } from "../ui/dialog.js";
import { openMenu } from "../ui/menu.js";
import { RATE_HZ, toSamples, toSeconds } from "../audio/units.js";
import { encodeWav } from "../audio/wav.js";
import { showCopy, showDetails } from "./details.js";
import { offerOf } from "./form.js";
import { buildRequest, needsSource } from "./request.js";
import { saveAs } from "./save.js";

/** Makes the actions over the page's tools. */
export function createActions(studio) {
  const { store, t, sender, toasts, api } = studio;
  const fill = (changes) => {
    store.send({ type: "fill-form", changes });
    studio.showArea("create");
  };
  const report = (error) => toasts.show(errorText(t, error), { kind: "bad" });
  return {
    submit: () => submit(studio),
    start: (prompt) => fill({ task: "text2music", describe: false, touched: { ...store.state.form.present.touched, prompt } }),
    cancel: (job) => sender.cancel(job),
    again: (job, seeds) => sender.again(job, seeds),
    remove: (job) => store.send({ type: "remove-job", key: job.key }),
    refill: (job) => fill(formOf(job.request ?? {}, store.state)),
    refillFromTask: (id) => api.get(`v1/tasks/${id}`).then((record) => fill(formOf(record.parameters_raw ?? {}, store.state)), report),
    takeFile: (role, file) => takeFile(studio, role, file).catch(report),
    pickSource: (role, anchor) => openMenu(anchor, t("source.clip"), sourceChoices(studio, role)),
    useAs: (task, source) => fill({ task, source, target: null }),
    useAsReference: (source) => fill({ reference: source }),
    repaint: (source, region, target = null) => fill({
      task: "repaint", source, target,
      touched: { ...store.state.form.present.touched, repainting_start: hundredths(region.start), repainting_end: hundredths(region.end) },
    }),
    useRegion: (source, region) => cut(studio, source, region).then((made) => fill({ source: made, target: null, ...sourceTask(store) }), report),
    downloadRegion: (source, region) => cut(studio, source, region)
      .then(async (made) => saveAs(await studio.sound.blob(made), fileName(made.name, "wav")), report),
    download: (source) => studio.sound.blob(source)
      .then((blob) => saveAs(blob, fileName([source.name.slice(0, 40), source.seed].filter((part) => part !== null).join(" "), source.format)), report),
    copy: (text) => showCopy(studio, text),
    copyParameters: (source) => api.get(`v1/tasks/${source.task_id}`).then((record) => showCopy(studio, JSON.stringify(record.parameters, null, 1)), report),
    details: (source) => showDetails(studio, source).catch(report),
    erase: (source, job) => erase(studio, source, job).catch(report),
  };
}

const hundredths = (seconds) => Math.round(seconds * 100) / 100;
const sourceTask = (store) => (needsSource(store.state.form.present.task) ? {} : { task: "cover" });

/** Returns the request of the form as it stands, and the words for its card. */
export async function requestOf(studio) {
  const { store, sound } = studio;
  const form = store.state.form.present;
  const sources = {};
  for (const role of ["source", "reference"]) {
    const given = form[role];
    if (given) sources[role] = given.path ? { path: given.path } : { blob: await sound.blob(given), name: fileName(given.name, given.format) };
  }
  const request = buildRequest({ ...form, sources, offer: offerOf(store.state) });
  const fields = Object.fromEntries(store.state.fields.map((field) => [field.name, field]));
  const { prompt, sample_query: query, batch_size: takes = fields.batch_size?.standard ?? 1 } = request.fields;
  const title = (prompt ?? query ?? form[needsSource(form.task) ? "source" : "reference"]?.name ?? "").split("\n")[0];
  return { request, about: { title, task: form.task, takes, target: form.target } };
}

async function submit(studio) {
  const { store, t } = studio;
  const form = store.state.form.present;
  if (needsSource(form.task) && !form.source) {
    store.send({ type: "set", changes: { problem: { text: t("form.needs_source"), field: null } } });
    return;
  }
  try {
    const { request, about } = await requestOf(studio);
    studio.showArea("jobs");
    await studio.sender.submit(request, about);
    if (store.state.problem) studio.showArea("create");
  } catch (error) {
    store.send({ type: "set", changes: { problem: { text: errorText(t, error), field: null } } });
  }
}

/** Turns a request back into a form; what the form does not know is left out. */
function formOf(fields, state) {
  const known = new Set(state.fields.map(({ name }) => name));
  const touched = Object.fromEntries(Object.entries(fields).filter(([name, value]) => known.has(name) && value !== null && value !== ""));
  if (fields.use_random_seed !== false) delete touched.seed;
  const instrumental = fields.lyrics === "[inst]";
  if (instrumental) delete touched.lyrics;
  return {
    touched, instrumental, describe: Boolean(fields.sample_query), target: null,
    task: typeof fields.task_type === "string" ? fields.task_type : "text2music",
    source: pathSource(fields.src_audio_path), reference: pathSource(fields.reference_audio_path),
  };
}

function pathSource(path) {
  if (typeof path !== "string" || !path) return null;
  return { id: makeOnce(), path, name: path, format: path.split(".").at(-1), samples: 0, origin: "task", seed: null, metas: {} };
}

/** Makes a source record of a file. */
export async function sourceOfFile({ sound }, file) {
  const source = {
    id: makeOnce(), path: null, sha256: null, name: file.name, format: file.name.split(".").at(-1).toLowerCase(), samples: 0,
    nudge: 0, seed: null, prompt: "", metas: {}, origin: "file",
  };
  await sound.add(source, file);
  // The service may read kinds of files that this browser cannot; the length is then unknown here.
  const measured = await sound.measure(file).catch(() => null);
  return { ...source, samples: measured?.samples ?? 0 };
}

async function takeFile(studio, role, file) {
  const source = await sourceOfFile(studio, file);
  studio.store.send({ type: "fill-form", changes: { [role]: source, target: null } });
}

function sourceChoices({ store, t, act }, role) {
  const takes = store.state.jobs.flatMap(({ sources = [] }) => sources);
  const own = store.state.edits.present.sources.filter(({ id }) => !takes.some((take) => take.id === id));
  const items = [...takes, ...own].slice(0, 20).map((source) => ({
    label: `${source.name.slice(0, 40)}${source.seed === null ? "" : ` · ${source.seed}`}`,
    action: () => store.send({ type: "fill-form", changes: { [role]: source, target: null } }),
  }));
  const { loop } = store.state.edits.present;
  const reason = loop.end > loop.start ? null : t("source.no_region");
  return [...items, "-", { label: t("source.region"), symbol: "track", reason, action: () => act.takeLoop(role) }];
}

async function cut({ sound, t }, source, { start, end }) {
  const buffer = await sound.buffer(source);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, channel) =>
    buffer.getChannelData(channel).slice(toSamples(start), toSamples(end)));
  const blob = new Blob([encodeWav(channels, RATE_HZ, 24)], { type: "audio/wav" });
  const made = {
    ...source, id: makeOnce(), path: null, task_id: undefined, format: "wav", samples: channels[0].length, origin: "mix",
    name: t("region.name", { name: source.name.slice(0, 40), start: hundredths(start), length: hundredths(toSeconds(channels[0].length)) }),
  };
  await sound.add(made, blob);
  return made;
}

async function erase({ api, store, t, library }, source, job) {
  const name = job?.title || source.name;
  const yes = await confirm({ title: t("clip.delete"), text: t("clip.delete_text", { name: name.slice(0, 80) }), yes: t("clip.delete_yes"), no: t("common.cancel"), danger: true });
  if (!yes) return;
  await api.delete(`v1/tasks/${source.task_id}`);
  const card = store.state.jobs.find(({ id }) => id === source.task_id);
  if (card) store.send({ type: "remove-job", key: card.key });
  library()?.load();
}
