// Dialogs about a clip: its record in brief, and text to copy.
import { h } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { textArea } from "../ui/field.js";

/** Copies text; where the browser does not allow it, shows the text selected. */
export async function showCopy({ t, toasts }, text) {
  try {
    await navigator.clipboard.writeText(text);
    toasts.show(t("common.copied"), { kind: "ok" });
  } catch {
    const area = textArea({ value: text, rows: 8, "aria-label": t("common.copy") });
    area.readOnly = true;
    const closed = openDialog({ title: t("common.copy"), body: area, actions: [{ label: t("common.close"), value: null, kind: "primary" }] });
    area.select();
    await closed;
  }
}

/** Shows what a clip is made of: seed, metadata, models, hash, adjustments. */
export async function showDetails(studio, source) {
  const { api, t, format, act } = studio;
  const record = await api.get(`v1/tasks/${source.task_id}`);
  const output = record.outputs.find(({ index }) => index === source.index) ?? {};
  const metas = { ...record.parameters, ...record.lm?.metas };
  const rows = [
    ["seed", source.seed], ["bpm", metas.bpm], ["key", metas.key_scale || metas.keyscale], ["length", format.seconds(output.duration)],
    ["models", [record.dit_model?.name, record.lm_model?.name].filter(Boolean).join(", ")], ["created", format.dateTime(record.created_at)],
    ["ran", format.seconds(record.run_seconds)], ["size", format.bytes(output.bytes)], ["hash", output.sha256], ["task", record.id],
  ];
  const facts = h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => [h("dt", {}, t(`details.${key}`)), h("dd", { dir: "auto" }, String(value))]));
  const adjusted = (record.adjustments ?? []).map(({ field, given, used, reason }) => h("li", {}, t("details.adjusted", {
    field, given: JSON.stringify(given), used: JSON.stringify(used), reason,
  })));
  const link = h("a", { href: `admin#/tasks/${encodeURIComponent(record.id)}` }, t("details.record"));
  await openDialog({
    title: t("clip.details"), wide: true,
    body: h("div", { class: "stack" }, facts, adjusted.length ? h("ul", { class: "small" }, adjusted) : null, h("div", { class: "row" },
      button({ label: t("clip.copy_parameters"), symbol: "copy", kind: "plain", onclick: () => act.copy(JSON.stringify(record.parameters, null, 1)) }), link)),
    actions: [{ label: t("common.close"), value: null, kind: "primary" }],
  });
}
