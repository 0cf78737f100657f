// The player at the bottom: what sounds now, its place, volume and speed.
import { h, show } from "../lib/dom.js";
import { clockText } from "../lib/format.js";
import { bindKeys } from "../lib/keys.js";
import { button } from "../ui/button.js";
import { select } from "../ui/field.js";

const RATES = [0.5, 0.75, 1, 1.25, 1.5];

/** Shows the player in `host`, and binds its keys for the whole area of takes. */
export function mountPlayer(host, { player, t, settings, store }, area) {
  const name = h("span", { class: "grow ellipsis", dir: "auto" });
  const time = h("span", { class: "mono nowrap" });
  const play = button({ label: t("player.play"), symbol: "play", kind: "quiet", iconOnly: true, onclick: () => toggle(player) });
  const loop = button({ label: t("player.loop"), symbol: "loop", kind: "quiet", iconOnly: true, onclick: () => player.setLoop(!player.view().loop) });
  const seek = h("input", { type: "range", min: 0, max: 1, step: 0.01, "aria-label": t("player.position"), oninput: () => player.seek(seek.valueAsNumber) });
  const volume = h("input", {
    type: "range", min: 0, max: 1, step: 0.05, value: player.view().volume, class: "player-volume", "aria-label": t("player.volume"),
    oninput: () => {
      player.setVolume(volume.valueAsNumber);
      settings.set("volume", volume.value);
    },
  });
  const rate = select({ options: RATES.map((value) => ({ value, label: `${value} ×` })), value: 1, "aria-label": t("player.speed"), onchange: () => player.setRate(Number(rate.value)) });
  show(host, play, loop, name, seek, time, volume, rate, button({ label: t("player.close"), symbol: "close", kind: "quiet", iconOnly: true, onclick: player.close }));
  player.subscribe((view) => {
    host.hidden = !view.clip;
    name.textContent = view.clip?.name ?? "";
    time.textContent = `${clockText(view.at)} / ${clockText(view.length)}`;
    seek.max = view.length || 1;
    if (document.activeElement !== seek || view.playing) seek.value = view.at;
    seek.setAttribute("aria-valuetext", clockText(view.at, 1));
    loop.setAttribute("aria-pressed", String(view.loop));
    play.querySelector("use").setAttribute("href", `web/icons.svg#${view.playing ? "pause" : "play"}`);
    play.setAttribute("aria-label", t(view.playing ? "player.pause" : "player.play"));
  });
  for (const root of [host, area]) {
    bindKeys(root, {
      Space: (event) => (event.target.closest("button, summary") ? false : toggle(player)),
      t: () => otherTake(player, store),
    });
  }
}

function toggle(player) {
  const { clip, playing } = player.view();
  if (playing) player.pause();
  else if (clip) player.play(clip);
  else return false;
  return true;
}

/** Goes to the next take of the same task at the same place. */
function otherTake(player, { state }) {
  const { clip, at, playing } = player.view();
  const takes = state.jobs.find(({ sources }) => sources?.some(({ id }) => id === clip?.id))?.sources ?? [];
  if (takes.length < 2) return false;
  const next = takes[(takes.findIndex(({ id }) => id === clip.id) + 1) % takes.length];
  if (playing) player.play(next, at);
  else player.open(next).then(() => player.seek(at));
  return true;
}
