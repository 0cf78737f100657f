// Clips behind a key: fetched, then played from memory; one plays at a time.
import { h, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { act, saveBlob } from "./parts.js";

/** A player for one clip that fetches it when it is first wanted. */
export function clipPlayer(app, output, name) {
  const { t } = app;
  const place = h("div", { class: "clip-player row" });
  if (!output.available) {
    show(place, h("span", { class: "muted" }, t("record.expired")));
    return place;
  }
  let clip = null;
  const fetched = async () => (clip ??= await app.api.blob(output.file));
  const play = button({
    label: t("record.play", { n: output.index + 1 }),
    symbol: "play",
    kind: "plain",
    reason: app.lacks("audio:read"),
    onclick: () =>
      act(app, async () => {
        const audio = sounding(await fetched(), t("record.clip", { n: output.index + 1 }));
        show(place, audio, save);
        audio.focus();
      }),
  });
  const save = button({
    label: t("record.download"),
    symbol: "download",
    kind: "quiet",
    reason: app.lacks("audio:read"),
    onclick: () => act(app, async () => saveBlob(await fetched(), name)),
  });
  show(place, play, save);
  return place;
}

/** Plays the first clip of a task in a bar below the list. */
export async function playTask(app, host, task) {
  const { t } = app;
  const output = task.outputs.find(({ available }) => available);
  await act(app, async () => {
    const clip = await app.api.blob(output.file);
    stop(host);
    const audio = sounding(clip, task.prompt || t("tasks.play"));
    show(
      host,
      audio,
      h("span", { class: "grow clip", dir: "auto" }, task.prompt),
      button({
        label: t("common.close"),
        symbol: "close",
        kind: "quiet",
        iconOnly: true,
        onclick: () => {
          stop(host);
          host.hidden = true;
        },
      }),
    );
    host.hidden = false;
  });
}

function stop(host) {
  const audio = host.querySelector("audio");
  if (!audio) return;
  audio.pause();
  URL.revokeObjectURL(audio.src);
  show(host);
}

function sounding(blob, label) {
  for (const other of document.querySelectorAll("audio")) other.pause();
  const audio = h("audio", { controls: true, autoplay: true, src: URL.createObjectURL(blob), "aria-label": label });
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  });
  return audio;
}
