// The buttons above the task list: which columns it has, and its content as a file.
import { h } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { check } from "../ui/field.js";
import { openMenu } from "../ui/menu.js";
import { paramsOf } from "./filters.js";
import { act, saveBlob } from "./parts.js";
import { COLUMNS } from "./row.js";

/** The buttons of the list; `list` has `filters`, `columns`, and `setColumns`. */
export function listTools(app, list) {
  const { t } = app;
  const exportAs = (format) =>
    act(
      app,
      async () => {
        const params = { ...paramsOf(list.filters), order: undefined, format };
        const response = await app.api.open("/v1/tasks/export", { params });
        saveBlob(await response.blob(), `tasks.${format}`);
      },
      t("tasks.exported"),
    );
  return [
    button({ label: t("tasks.columns"), symbol: "settings", kind: "plain", onclick: () => chooseColumns(app, list) }),
    button({
      label: t("tasks.export"),
      symbol: "download",
      kind: "plain",
      "aria-haspopup": "menu",
      onclick: ({ currentTarget }) =>
        openMenu(currentTarget, t("tasks.export"), [
          { label: "CSV", symbol: "download", action: () => exportAs("csv") },
          { label: "NDJSON", symbol: "download", action: () => exportAs("ndjson") },
        ]),
    }),
  ];
}

async function chooseColumns(app, list) {
  const { t } = app;
  const ticks = COLUMNS.map((name) => check({ label: t(`column.${name}`), checked: list.columns.includes(name) }));
  const answer = await openDialog({
    title: t("tasks.columns"),
    body: h("div", { class: "ticks" }, ticks),
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("common.save"), value: "save", kind: "primary" },
    ],
  });
  if (answer !== "save") return;
  list.setColumns(COLUMNS.filter((_, at) => ticks[at].control.checked));
}
