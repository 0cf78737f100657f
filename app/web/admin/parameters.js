// Parameters side by side: as received, as used, and why they differ.
import { h, show } from "../lib/dom.js";
import { toggle } from "../ui/field.js";
import { table } from "./parts.js";

const LONG_CHARS = 160;

/** The three columns; "only changed" hides what came and went as it was. */
export function parameters(app, task) {
  const { t } = app;
  const all = lines(task);
  const place = h("div");
  const draw = (onlyChanged) => {
    const rows = onlyChanged ? all.filter(({ isChanged }) => isChanged) : all;
    show(
      place,
      table({
        label: t("record.parameters"),
        rows,
        empty: t("record.no_parameters"),
        columns: [
          { name: t("record.name"), cell: ({ name }) => h("code", {}, name) },
          { name: t("record.raw"), cell: ({ raw }) => folded(raw, t), kind: "value" },
          {
            name: t("record.effective"),
            cell: ({ used, isKnown }) =>
              isKnown ? folded(used, t) : h("span", { class: "muted" }, t("record.ignored")),
            kind: "value",
          },
          { name: t("record.reason"), cell: ({ reason }) => reason ?? "", kind: "value" },
        ],
      }),
    );
  };
  const only = toggle({
    label: t("record.only_changed"),
    checked: true,
    onchange: ({ target }) => draw(target.checked),
  });
  draw(true);
  return h("div", { class: "stack tight" }, h("div", {}, only), place);
}

/** One line per name; `isChanged` where a value was sent, or became another. Pure. */
export function lines({ parameters: used, parameters_raw: raw, adjustments }) {
  const reasons = new Map(adjustments.map((one) => [one.field, one]));
  const given = raw && typeof raw === "object" && !Array.isArray(raw) ? raw : {};
  const names = [...new Set([...Object.keys(given), ...Object.keys(used), ...reasons.keys()])];
  return names.map((name) => ({
    name,
    raw: name in given ? given[name] : reasons.get(name)?.given,
    used: used[name],
    isKnown: name in used,
    reason: reasons.get(name)?.reason,
    isChanged: name in given || reasons.has(name),
  }));
}

/** A value as text; a long one shows its beginning until it is opened. */
export function folded(value, t) {
  if (value === undefined) return h("span", { class: "muted" }, "–");
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === "") return h("span", { class: "muted" }, t("record.empty_text"));
  if (text.length <= LONG_CHARS) return h("span", { dir: "auto", class: "pre" }, text);
  return h(
    "details",
    {},
    h("summary", { dir: "auto" }, `${text.slice(0, LONG_CHARS)}…`),
    h("pre", { dir: "auto" }, text),
  );
}
