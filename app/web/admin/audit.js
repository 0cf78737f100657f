// Who changed what: teams, keys, queue and workers.
import { h, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { card, failedState, pageHead, table } from "./parts.js";

export function open(app, host) {
  const { t, format } = app;
  const place = h("div", { class: "stack" });
  const items = [];
  let cursor = null;
  const load = async () => {
    try {
      const page = await app.api.get("/v1/admin/audit", { limit: 100, cursor });
      items.push(...page.items);
      cursor = page.next_cursor;
      show(
        place,
        table({
          label: t("nav.audit"),
          rows: items,
          empty: t("audit.none"),
          columns: [
            { name: t("record.time"), cell: ({ at }) => format.dateTime(at), kind: "nowrap" },
            { name: t("record.actor"), cell: ({ actor }) => h("code", {}, actor) },
            { name: t("audit.action"), cell: ({ action }) => action, kind: "nowrap" },
            { name: t("audit.object"), cell: ({ object }) => h("code", {}, object), kind: "value" },
            { name: t("audit.change"), cell: ({ change }) => changes(change), kind: "value" },
          ],
        }),
        cursor && h("div", {}, button({ label: t("common.more"), kind: "plain", onclick: load })),
      );
    } catch (error) {
      show(place, failedState(app, error, load));
    }
  };
  show(host, pageHead(t("nav.audit"), t("audit.about")), card(t("audit.all"), place));
  load();
  return {};
}

/** `{name: value}` or `{name: [old, new]}` or `{name: {old, new}}`, a line each. */
function changes(change) {
  return Object.entries(change).map(([name, value]) => h("div", {}, h("code", {}, name), ` ${textOf(value)}`));
}

function textOf(value) {
  if (Array.isArray(value) && value.length === 2) return `${JSON.stringify(value[0])} → ${JSON.stringify(value[1])}`;
  return typeof value === "string" ? value : JSON.stringify(value);
}
