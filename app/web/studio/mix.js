// Mixing down: the whole, a region, or each track, to WAV.
import { h, setVars } from "../lib/dom.js";
import { fileName } from "../lib/format.js";
import { makeOnce } from "../lib/api.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { field, select } from "../ui/field.js";
import { mixDown } from "../audio/render.js";
import { endOf, startsOf } from "../audio/schedule.js";
import { RATE_HZ, decibels } from "../audio/units.js";
import { encodeWav, peakOf } from "../audio/wav.js";
import { saveAs } from "./save.js";

/** Opens the dialog; `track` is the id of the only track to mix. Results go to `act`. */
export async function openMix(studio, act, { track = null } = {}) {
  const { store, t } = studio;
  const session = onlyTrack(store.state.edits.present, track);
  if (!endOf(session)) return studio.toasts.show(t("mix.nothing"));
  const what = select({ options: ranges(session, t), value: "all", id: "mix-range" });
  const bits = select({ options: [32, 24, 16].map((one) => ({ value: one, label: t(`mix.bits.${one}`) })), value: "32", id: "mix-bits" });
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": t("mix.progress"), hidden: true });
  const result = h("div", { class: "stack", role: "status" });
  const stop = new AbortController();
  const run = async () => {
    bar.hidden = false;
    const onProgress = (part) => {
      setVars(bar, { "--part": part });
      bar.setAttribute("aria-valuenow", Math.round(part * 100));
    };
    const made = await render(studio, session, what.value, { onProgress, signal: stop.signal });
    if (made) result.replaceChildren(...shownResult(studio, act, made, Number(bits.value), session));
    return false;
  };
  await openDialog({
    title: t("mix.title"), body: h("div", { class: "stack" }, field({ label: t("mix.range"), control: what }), field({ label: t("mix.format"), control: bits }), bar, result),
    actions: [{ label: t("common.close"), value: null }, { label: t("mix.run"), value: "mix", kind: "primary", check: run }],
  });
  return stop.abort();
}

function onlyTrack(session, track) {
  if (!track) return session;
  return { ...session, tracks: session.tracks.filter(({ id }) => id === track).map((one) => ({ ...one, mute: false })) };
}

function ranges(session, t) {
  const all = [{ value: "all", label: t("mix.all") }];
  if (session.loop.end > session.loop.start) all.push({ value: "loop", label: t("mix.loop") });
  if (session.tracks.length > 1) all.push({ value: "tracks", label: t("mix.tracks") });
  return all;
}

async function render(studio, session, what, options) {
  const { toasts, t } = studio;
  try {
    const buffers = await loadBuffers(studio, session);
    const bounds = what === "loop" ? { from: session.loop.start, until: session.loop.end } : {};
    if (what !== "tracks") return [{ name: session.name, channels: await mixDown(session, buffers, { ...bounds, ...options }) }];
    const made = [];
    for (const track of session.tracks) {
      const alone = onlyTrack(session, track.id);
      if (endOf(alone)) made.push({ name: track.name, channels: await mixDown(alone, buffers, { until: endOf(session), ...options }) });
    }
    return made;
  } catch (error) {
    if (error.name !== "AbortError") toasts.show(t("mix.failed", { reason: error.message }), { kind: "bad" });
    return null;
  }
}

/** Returns a Map of the decoded sources that a session plays; what is gone stays silent. */
export async function loadBuffers({ sound }, session) {
  const ids = new Set(startsOf(session, 0, endOf(session)).map(({ source }) => source));
  const buffers = new Map();
  await Promise.all(session.sources.filter(({ id }) => ids.has(id)).map(async (source) => {
    const buffer = await sound.buffer(source).catch(() => null);
    if (buffer) buffers.set(source.id, buffer);
  }));
  return buffers;
}

function shownResult({ store, t, format }, act, made, bits, session) {
  const peak = Math.max(...made.map(({ channels }) => peakOf(channels)));
  const over = peak > 1 ? decibels(peak) : 0;
  const files = made.map(({ name, channels }) => ({ name, samples: channels[0].length, blob: new Blob([encodeWav(channels, RATE_HZ, bits)], { type: "audio/wav" }) }));
  const lower = () => store.send({ type: "edit", command: { type: "change", changes: { master: { gain_db: Math.max(-60, session.master.gain_db - Math.ceil(over * 10) / 10) } } } });
  const peakLine = h("p", { class: over ? "notice warn" : "muted", id: "mix-peak" }, t(over ? "mix.over" : "mix.peak", { db: Math.round(decibels(Math.max(peak, 1e-5)) * 10) / 10 }),
    over ? button({ label: t("mix.lower", { db: Math.ceil(over * 10) / 10 }), kind: "plain", onclick: lower }) : null);
  return [peakLine, ...files.map((file) => fileRow(file, { t, format }, act))];
}

function fileRow(file, { t, format }, act) {
  const source = { id: makeOnce(), path: null, sha256: null, name: file.name, format: "wav", samples: file.samples, nudge: 0, seed: null, prompt: "", metas: {}, origin: "mix" };
  return h("div", { class: "stack" }, h("strong", { dir: "auto" }, `${file.name} · ${format.bytes(file.blob.size)}`), h("div", { class: "row" },
    button({ label: t("mix.download"), symbol: "download", kind: "primary", onclick: () => saveAs(file.blob, fileName(file.name, "wav")) }),
    button({ label: t("mix.as_clip"), symbol: "track", kind: "plain", onclick: () => act.takeMix(source, file.blob, "clip") }),
    button({ label: t("mix.as_source"), symbol: "wave", kind: "plain", onclick: () => act.takeMix(source, file.blob, "source") })));
}
