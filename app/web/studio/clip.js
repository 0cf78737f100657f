// One take: play, waveform, region, and everything a clip can become.
import { h, show } from "../lib/dom.js";
import { clockText } from "../lib/format.js";
import { button } from "../ui/button.js";
import { openMenu } from "../ui/menu.js";
import { createWaveform } from "../ui/waveform.js";
import { snap } from "../audio/snap.js";
import { toSamples, toSeconds } from "../audio/units.js";
import { clipMenu } from "./clip-menu.js";

/** Makes the row of a take; it decodes only while it can be seen. */
export function takeRow(studio, act, source, { number = null, job = null } = {}) {
  const { t, player } = studio;
  const take = { region: null, seconds: toSeconds(source.samples) };
  const name = number === null ? t("clip.clip") : String.fromCharCode(65 + number);
  const time = h("span", { class: "muted small nowrap take-time" }, clockText(take.seconds));
  const wave = createWaveform({
    label: t("clip.position", { name }), seconds: take.seconds, say: (seconds) => spoken(seconds, t),
    startLabel: t("clip.region_start"), endLabel: t("clip.region_end"), snap: (seconds) => snapSeconds(studio, source, seconds),
    onSeek: (seconds) => seek(player, source, seconds),
    onRegion: (region) => {
      take.region = region;
      if (player.view().clip?.id === source.id) player.setRegion(region);
      drawRegion(bar, studio, act, source, take, wave);
    },
  });
  const play = button({ label: t("clip.play", { name }), symbol: "play", kind: "quiet", iconOnly: true, onclick: () => toggle(player, source, take) });
  const loop = button({
    label: t("clip.loop", { name }), symbol: "loop", kind: "quiet", iconOnly: true, "aria-pressed": "false",
    onclick: () => player.setLoop(!player.view().loop),
  });
  const save = button({ label: t("clip.download", { name }), symbol: "download", kind: "quiet", iconOnly: true, onclick: () => act.download(source) });
  const menu = button({
    label: t("clip.menu", { name }), symbol: "more", kind: "quiet", iconOnly: true, "aria-haspopup": "menu",
    onclick: (event) => openMenu(event.currentTarget, t("clip.menu", { name }), clipMenu(studio, act, source, job)),
  });
  const bar = h("div", { class: "row region-bar", hidden: true });
  const seed = source.seed === null || source.seed === undefined ? null : h("span", { class: "muted small nowrap" }, t("clip.seed", { seed: String(source.seed) }));
  const row = h("article", { class: "take", dataset: { source: source.id }, "aria-label": t("clip.take", { name }) },
    play, h("div", { class: "take-name" }, h("strong", {}, name), time, seed), wave.element,
    h("div", { class: "take-tools" }, loop, save, menu), bar);
  const follow = player.subscribe((view) => {
    if (!row.isConnected && row.dataset.seen) return follow();
    return showPlaying({ row, play, loop, wave, time, take }, source, view, studio);
  });
  whenSeen(row, () => drawPeaks(studio, source, take, wave, time));
  row.tabIndex = -1;
  return row;
}

function spoken(seconds, t) {
  const [minutes, rest] = [Math.floor(seconds / 60), Math.round((seconds % 60) * 10) / 10];
  return minutes ? t("time.spoken", { minutes, seconds: rest }) : t("time.seconds", { seconds: rest });
}

function snapSeconds({ store }, source, seconds) {
  const session = store.state.edits.present;
  const bpm = Number(source.metas?.bpm) || session.tempo.bpm;
  const beats = Number(source.metas?.timesignature) || session.tempo.beats;
  return toSeconds(snap(toSamples(seconds), session.view.snap, { bpm, beats, offset: 0 }));
}

async function toggle(player, source, take) {
  const view = player.view();
  if (view.clip?.id === source.id && view.playing) return player.pause();
  const from = take.region && (view.clip?.id !== source.id || view.at >= take.region.end) ? take.region.start : null;
  await player.play(source, from);
  return player.setRegion(take.region);
}

async function seek(player, source, seconds) {
  if (player.view().clip?.id !== source.id) await player.open(source);
  player.seek(seconds);
}

function showPlaying({ row, play, loop, wave, time, take }, source, view, { t }) {
  row.dataset.seen = "yes";
  const isMine = view.clip?.id === source.id;
  const isPlaying = isMine && view.playing;
  if (row.dataset.playing !== String(isPlaying)) {
    row.dataset.playing = String(isPlaying);
    play.querySelector("use").setAttribute("href", `web/icons.svg#${isPlaying ? "pause" : "play"}`);
    const name = row.querySelector("strong").textContent;
    play.setAttribute("aria-label", t(isPlaying ? "clip.pause" : "clip.play", { name }));
    play.title = play.getAttribute("aria-label");
  }
  loop.setAttribute("aria-pressed", String(view.loop));
  if (isMine) {
    wave.place(view.at);
    time.textContent = `${clockText(view.at)} / ${clockText(take.seconds)}`;
  }
}

function whenSeen(element, act) {
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
    watcher.disconnect();
    act();
  });
  watcher.observe(element);
}

async function drawPeaks({ sound, t }, source, take, wave, time) {
  try {
    const peaks = await sound.peaks(source);
    take.seconds = toSeconds(peaks.samples);
    wave.show(peaks, take.seconds);
    time.textContent = clockText(take.seconds);
  } catch {
    wave.element.classList.add("gone");
    time.textContent = t("clip.gone");
  }
}

function drawRegion(bar, studio, act, source, take, wave) {
  const { t, player } = studio;
  const { region } = take;
  bar.hidden = !region;
  if (!region) return;
  const times = `${clockText(region.start, 2)} – ${clockText(region.end, 2)}`;
  if (bar.childElementCount) {
    bar.firstElementChild.textContent = times;
    return;
  }
  const on = (label, symbol, run) => button({ label: t(label), symbol, kind: "plain", onclick: () => run(take.region) });
  show(bar, h("span", { class: "nowrap region-times" }, times),
    on("region.play", "play", async ({ start }) => {
      await player.play(source, start);
      player.setRegion(take.region);
    }),
    on("region.loop", "loop", async ({ start }) => {
      await player.play(source, start);
      player.setRegion(take.region);
      player.setLoop(true);
    }),
    on("region.repaint", "edit", (chosen) => act.repaint(source, chosen)),
    on("region.source", "wave", (chosen) => act.useRegion(source, chosen)),
    on("region.timeline", "track", (chosen) => act.toTimeline(source, chosen)),
    on("region.download", "download", (chosen) => act.downloadRegion(source, chosen)),
    button({ label: t("region.clear"), symbol: "close", kind: "quiet", iconOnly: true, onclick: () => {
      take.region = null;
      wave.setRegion(null);
      player.setRegion(null);
      bar.hidden = true;
    } }));
}
