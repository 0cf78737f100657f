// The numbers of a clip on the timeline: place, length, gain, fades; everything a drag does, without one.
import { clockText, parseClock } from "../lib/format.js";
import { h } from "../lib/dom.js";
import { openDialog } from "../ui/dialog.js";
import { field, numberInput, select, textInput } from "../ui/field.js";
import { toSamples, toSeconds } from "../audio/units.js";

/** Opens the dialog of {track, clip}. */
export async function editClip({ store, t }, found) {
  if (!found) return;
  const { clip, track } = found;
  const session = store.state.edits.present;
  const time = (samples) => textInput({ value: clockText(toSeconds(samples), 3) });
  const inputs = { at: time(clip.at), fade_in: time(clip.fade_in), fade_out: time(clip.fade_out) };
  const gain = numberInput({ value: clip.gain_db, min: -60, max: 24, step: 0.5 });
  const on = select({ options: session.tracks.map(({ id, name }) => ({ value: id, label: name })), value: track.id });
  const take = select({ options: clip.takes.map((id, number) => ({ value: id, label: t("timeline.take", { number: number + 1, count: clip.takes.length }) })), value: clip.source });
  const nudge = numberInput({ value: 0, step: 1 });
  const answer = await openDialog({
    title: t("timeline.settings"),
    body: h("div", { class: "clip-settings" }, field({ label: t("timeline.starts"), control: inputs.at }), field({ label: t("timeline.track"), control: on }),
      field({ label: t("timeline.fade_in"), control: inputs.fade_in }), field({ label: t("timeline.fade_out"), control: inputs.fade_out }),
      field({ label: t("timeline.gain"), control: gain, unit: "dB" }), field({ label: t("timeline.takes"), control: take }),
      field({ label: t("timeline.nudge"), control: nudge, unit: t("timeline.samples"), hint: t("timeline.nudge_hint") })),
    actions: [{ label: t("common.cancel"), value: null }, { label: t("common.save"), value: "save", kind: "primary" }],
  });
  if (answer !== "save") return;
  const samples = (name) => toSamples(Math.max(0, parseClock(inputs[name].value) ?? toSeconds(clip[name])));
  const edit = (command) => store.send({ type: "edit", command, merge: `settings ${clip.id}` });
  edit({ type: "choose-take", id: clip.id, source: take.value });
  edit({ type: "move-clip", id: clip.id, track: on.value, at: samples("at") + Math.round(nudge.valueAsNumber || 0) });
  const gain_db = Math.min(24, Math.max(-60, gain.valueAsNumber || 0));
  edit({ type: "change-clip", id: clip.id, changes: { fade_in: samples("fade_in"), fade_out: samples("fade_out"), gain_db } });
}
