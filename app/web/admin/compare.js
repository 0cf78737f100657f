// Two records side by side: what differs is marked, and outputs are told apart by their hashes.
import { h, show } from "../lib/dom.js";
import { diffView } from "../ui/diff.js";
import { toggle } from "../ui/field.js";
import { card, failedState, pageHead, stateBadge, table } from "./parts.js";
import { folded } from "./parameters.js";

const TEXTS = new Set(["prompt", "lyrics", "instruction"]);

export function open(app, host, { path }) {
  const ending = new AbortController();
  show(host, pageHead(app.t("compare.title")));
  const read = () =>
    Promise.all(path.slice(0, 2).map((id) => app.api.get(`/v1/tasks/${id}`, {}, { signal: ending.signal })))
      .then(([left, right]) => draw(app, host, left, right))
      .catch((error) => {
        if (!ending.signal.aborted) show(host, pageHead(app.t("compare.title")), failedState(app, error, read));
      });
  read();
  return { close: () => ending.abort() };
}

function draw(app, host, left, right) {
  const { t } = app;
  const place = h("div");
  const rows = [...about(app, left, right), ...parameterRows(left, right)];
  const fill = (onlyDiffering) =>
    show(
      place,
      table({
        label: t("record.parameters"),
        rows: onlyDiffering ? rows.filter(({ same }) => !same) : rows,
        empty: t("compare.all_same"),
        columns: [
          {
            name: t("record.name"),
            cell: ({ name, same }) => [
              h("code", {}, name),
              !same && h("span", { class: "chip differs" }, t("compare.differs")),
            ],
          },
          { name: t("compare.left"), cell: (row) => folded(row.left, t), kind: "value" },
          {
            name: t("compare.right"),
            cell: (row) =>
              !row.same && TEXTS.has(row.name)
                ? diffView(String(row.left ?? ""), String(row.right ?? ""))
                : folded(row.right, t),
            kind: "value",
          },
        ],
      }),
    );
  fill(true);
  show(
    host,
    pageHead(
      t("compare.title"),
      h(
        "span",
        { class: "row" },
        [left, right].map((task) =>
          h(
            "a",
            { href: `#/record/${task.id}`, class: "row" },
            h("code", {}, task.id.slice(0, 8)),
            stateBadge(task.state, t(`state.${task.state}`)),
          ),
        ),
      ),
      [toggle({ label: t("compare.only"), checked: true, onchange: ({ target }) => fill(target.checked) })],
    ),
    card(t("record.audio"), outputsTable(app, left, right)),
    card(t("record.parameters"), place),
  );
}

function about(app, left, right) {
  const { t, format } = app;
  const pick = (task) => ({
    [t("column.created")]: format.dateTime(task.created_at),
    [t("column.ran")]: format.seconds(task.run_seconds),
    [t("column.seeds")]: task.seeds.join(", "),
    [t("record.dit")]: task.dit_model?.name ?? null,
    [t("record.lm")]: task.lm_model?.name ?? null,
    [t("worker.device")]: task.versions?.device ?? null,
  });
  const [a, b] = [pick(left), pick(right)];
  return Object.keys(a).map((name) => ({ name, left: a[name], right: b[name], same: a[name] === b[name] }));
}

function parameterRows(left, right) {
  const names = [...new Set([...Object.keys(left.parameters), ...Object.keys(right.parameters)])];
  return names.map((name) => ({
    name,
    left: left.parameters[name],
    right: right.parameters[name],
    same: JSON.stringify(left.parameters[name]) === JSON.stringify(right.parameters[name]),
  }));
}

function outputsTable(app, left, right) {
  const { t } = app;
  const count = Math.max(left.outputs.length, right.outputs.length);
  const rows = Array.from({ length: count }, (_, at) => ({ at, a: left.outputs[at], b: right.outputs[at] }));
  const short = (output) => (output ? h("code", { title: output.sha256 }, `${output.sha256.slice(0, 12)}…`) : "–");
  const verdict = ({ a, b }) => {
    if (!a || !b) return stateBadge("warn", t("compare.only_one"));
    return a.sha256 === b.sha256 ? stateBadge("ok", t("compare.same_bytes")) : stateBadge("bad", t("compare.differs"));
  };
  return table({
    label: t("record.audio"),
    rows,
    empty: t("record.no_outputs"),
    columns: [
      { name: t("record.clip_name"), cell: ({ at }) => t("record.clip", { n: at + 1 }) },
      { name: t("compare.left"), cell: ({ a }) => short(a) },
      { name: t("compare.right"), cell: ({ b }) => short(b) },
      { name: t("compare.verdict"), cell: verdict },
    ],
  });
}
