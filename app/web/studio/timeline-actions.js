// What the buttons and keys of the timeline do.
import { makeOnce } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { openDialog } from "../ui/dialog.js";
import { openMenu } from "../ui/menu.js";
import { mixDown } from "../audio/render.js";
import { endOf } from "../audio/schedule.js";
import { RATE_HZ, toSamples, toSeconds } from "../audio/units.js";
import { encodeWav } from "../audio/wav.js";
import { sourceOfFile } from "./actions.js";
import { findClip, makeClip, makeTrack } from "./edit.js";
import { loadBuffers, openMix } from "./mix.js";
import { sourceChooser } from "./sources.js";
import { editClip } from "./clip-settings.js";
import { nextZoom } from "./timeline.js";
import { KEYS } from "./timeline-keys.js";

/** Makes the actions over the page's tools; those of clips are `act` itself. */
export function createTimelineActions(studio) {
  const { store, transport, t } = studio;
  const present = () => store.state.edits.present;
  const edit = (command, merge) => store.send({ type: "edit", command, merge });
  const change = (changes) => edit({ type: "change", changes });
  const found = (id) => findClip(present(), id);
  return {
    playPause: () => (transport.playing ? transport.pause() : transport.play(present())),
    toStart: () => transport.seek(present(), 0),
    toEnd: () => transport.seek(present(), endOf(present())),
    toggleLoop: () => change({ loop: loopOf(present(), { on: !present().loop.on }) }),
    loopEdge: (edge) => change({ loop: loopOf(present(), { [edge]: transport.at, on: true }) }),
    zoom: (by) => change({ view: { ...present().view, zoom: nextZoom(present().view.zoom, by) } }),
    undo: () => store.send({ type: "undo-edit" }),
    redo: () => store.send({ type: "redo-edit" }),
    addTrack: () => addTrack(studio),
    duplicateTrack: (track) => edit({ type: "duplicate-track", id: track.id, newId: makeOnce(), clipIds: track.clips.map(() => makeOnce()) }),
    importAudio: () => sourceChooser(t, (files) => importFiles(studio, files)),
    dropOn: (track, seconds, data) => importFiles(studio, [...data.files], track, toSamples(seconds)),
    toTimeline: (source, region) => toTimeline(studio, source, region),
    split: (id) => edit({ type: "split-clip", id, at: transport.at, newId: makeOnce() }),
    duplicateClip: (id) => edit({ type: "duplicate-clip", id, newId: makeOnce() }),
    removeClip: (id) => edit({ type: "remove-clip", id }),
    changeTrack: ({ track, clip }, by) => changeTrack(studio, track, clip, by),
    nextTake: (id) => nextTake(edit, found(id)?.clip),
    clipSettings: (id) => editClip(studio, found(id)),
    clipMenu: (id, anchor) => openMenu(anchor, t("clip.clip"), clipMenu(studio, id)),
    mix: (options) => openMix(studio, studio.act, options?.track ? options : {}),
    takeMix: (source, blob, use) => takeMix(studio, source, blob, use),
    takeLoop: (role) => takeLoop(studio, role),
    showKeys: () => openDialog({ title: t("timeline.keys"), body: h("dl", { class: "facts" }, KEYS.map(([keys, word]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, t(`keys.${word}`))])), actions: [{ label: t("common.close"), value: null, kind: "primary" }] }),
  };
}

function loopOf(session, changes) {
  const loop = { ...session.loop, ...changes };
  if (loop.end > loop.start) return loop;
  const end = endOf(session) || 10 * RATE_HZ;
  return loop.start < end ? { ...loop, end } : { ...loop, start: 0, end: Math.max(loop.start, end) };
}

function addTrack({ store, t }) {
  const { tracks } = store.state.edits.present;
  const track = makeTrack(makeOnce(), t("track.new", { number: tracks.length + 1 }), tracks.length % 8);
  store.send({ type: "set", changes: { dock: true } });
  store.send({ type: "edit", command: { type: "add-track", track } });
  return track.id;
}

/** Puts a clip on the first empty track or on a new one, at the playhead. */
async function toTimeline(studio, source, region = null) {
  const { store, sound, transport, toasts, t } = studio;
  try {
    const { samples } = await sound.peaks(source);
    const known = { ...source, samples };
    const track = store.state.edits.present.tracks.find(({ clips }) => !clips.length)?.id ?? addTrack(studio);
    let clip = makeClip(makeOnce(), known, transport.at);
    if (region) clip = { ...clip, offset: toSamples(region.start), length: toSamples(region.end) - toSamples(region.start) };
    store.send({ type: "set", changes: { dock: true } });
    store.send({ type: "edit", command: { type: "put-clip", track, clip, source: known } });
    store.send({ type: "set", changes: { selected: clip.id } });
    toasts.show(t("timeline.put", { name: source.name.slice(0, 40) }), { kind: "ok", action: { label: t("timeline.show"), run: () => studio.showArea("timeline") } });
  } catch {
    toasts.show(t("clip.gone"), { kind: "bad" });
  }
}

async function importFiles(studio, files, track = null, at = null) {
  const { store, toasts, t, transport } = studio;
  for (const file of files) {
    const source = await sourceOfFile(studio, file);
    if (!source.samples) {
      toasts.show(t("timeline.unreadable", { name: file.name }), { kind: "bad" });
      continue;
    }
    const on = track ?? addTrack(studio);
    store.send({ type: "edit", command: { type: "put-clip", track: on, clip: makeClip(makeOnce(), source, at ?? transport.at), source } });
  }
}

function changeTrack({ store }, track, clip, by) {
  const { tracks } = store.state.edits.present;
  const to = tracks[tracks.findIndex(({ id }) => id === track.id) + by];
  if (to) store.send({ type: "edit", command: { type: "move-clip", id: clip.id, track: to.id } });
}

function nextTake(edit, clip) {
  if (!clip || clip.takes.length < 2) return;
  const next = clip.takes[(clip.takes.indexOf(clip.source) + 1) % clip.takes.length];
  edit({ type: "choose-take", id: clip.id, source: next });
}

function clipMenu(studio, id) {
  const { store, t, act } = studio;
  const { clip } = findClip(store.state.edits.present, id);
  const source = store.state.edits.present.sources.find((one) => one.id === clip.source);
  return [
    { label: t("timeline.settings"), symbol: "settings", action: () => act.clipSettings(id) },
    { label: t("timeline.split"), symbol: "split", action: () => act.split(id) },
    { label: t("timeline.duplicate"), symbol: "copy", action: () => act.duplicateClip(id) },
    { label: t("timeline.next_take"), reason: clip.takes.length > 1 ? null : t("timeline.one_take"), action: () => act.nextTake(id) },
    "-",
    { label: t("timeline.repaint"), symbol: "edit", action: () => repaintLoop(studio, clip, source) },
    ...["cover", "lego", "extract", "complete"].map((task) => ({ label: t(`clip.as.${task}`), action: () => act.useAs(task, source) })),
    "-",
    { label: t("timeline.remove"), symbol: "trash", action: () => act.removeClip(id) },
  ];
}

/** Sends the part of a clip under the loop, or the whole clip, to the form; the result becomes a take of it. */
function repaintLoop({ store, act }, clip, source) {
  const { loop } = store.state.edits.present;
  const start = Math.max(clip.at, Math.min(loop.start, clip.at + clip.length));
  const end = Math.min(clip.at + clip.length, Math.max(loop.end, clip.at));
  const [from, until] = end > start ? [start, end] : [clip.at, clip.at + clip.length];
  const inSource = (at) => toSeconds(at - clip.at + clip.offset);
  act.repaint(source, { start: inSource(from), end: inSource(until) }, clip.id);
}

async function takeMix(studio, source, blob, use) {
  await studio.sound.add(source, blob);
  if (use === "clip") return toTimeline(studio, source);
  document.querySelector("dialog[open]")?.close();
  return studio.act.useAs("cover", source);
}

async function takeLoop(studio, role) {
  const { store, sound, t } = studio;
  const session = store.state.edits.present;
  const { start, end } = session.loop;
  const channels = await mixDown(session, await loadBuffers(studio, session), { from: start, until: end });
  const source = { id: makeOnce(), path: null, sha256: null, name: t("source.region"), format: "wav", samples: end - start, nudge: 0, seed: null, prompt: "", metas: {}, origin: "mix" };
  await sound.add(source, new Blob([encodeWav(channels, RATE_HZ, 24)], { type: "audio/wav" }));
  store.send({ type: "fill-form", changes: { [role]: source, target: null } });
}

/** Lets the result of a repaint that came from the timeline take the place of the old take. */
export function watchTargets({ store }) {
  const done = new Set(store.state.jobs.map(({ key }) => key));
  store.watch((state) => state.jobs, (jobs) => {
    for (const { key, target, sources } of jobs) {
      if (!target || !sources || done.has(key)) continue;
      done.add(key);
      sources.forEach((source) => store.send({ type: "edit", command: { type: "add-source", source } }));
      store.send({ type: "edit", command: { type: "choose-take", id: target, source: sources[0].id } });
    }
  });
}
