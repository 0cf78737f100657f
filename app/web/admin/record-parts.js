// The parts of a record: time, events, audio, models, attempts.
import { h, setVars, show } from "../lib/dom.js";
import { clockText, fileName } from "../lib/format.js";
import { button } from "../ui/button.js";
import { stageWord } from "./overview.js";
import { act, between, facts, stateBadge, table } from "./parts.js";
import { clipPlayer } from "./sound.js";

/** One bar per attempt: the wait before it, then its stages, to scale. */
export function timeline(app, task) {
  const { t, format } = app;
  const rows = task.attempts.map((attempt) => spans(task, attempt));
  const total = Math.max(0.001, ...rows.flat().map(({ to }) => to));
  return h(
    "div",
    { class: "timeline" },
    rows.map((parts, at) =>
      h(
        "div",
        { class: "row" },
        h("span", { class: "small muted nowrap" }, t("record.attempt", { n: task.attempts[at].number })),
        h(
          "div",
          {
            class: "bars grow",
            role: "img",
            "aria-label": parts
              .map(({ stage, from, to }) => `${stageWord(t, stage)} ${format.seconds(to - from)}`)
              .join(", "),
          },
          parts.map(({ stage, from, to }) => {
            const part = h(
              "span",
              { class: "part", dataset: { stage }, title: `${stageWord(t, stage)} ${format.seconds(to - from)}` },
              (to - from) / total > 0.12 ? stageWord(t, stage) : "",
            );
            setVars(part, { "--from": from / total, "--width": (to - from) / total });
            return part;
          }),
        ),
      ),
    ),
  );
}

/** Stages of an attempt as seconds since submission. Pure. */
export function spans(task, attempt) {
  const at = (time) => between(task.created_at, time) ?? 0;
  const begin = at(attempt.started_at);
  const end = attempt.finished_at
    ? at(attempt.finished_at)
    : Math.max(begin, ...task.events.map((event) => at(event.at)));
  const marks = task.events
    .filter(({ type, at: time }) => type === "stage" && at(time) >= begin - 0.001 && at(time) <= end)
    .map((event) => ({ stage: event.detail.stage ?? event.detail.to ?? "loading", from: at(event.at) }));
  const starts = [{ stage: "queued", from: 0 }, { stage: "loading", from: begin }, ...marks];
  return starts
    .map((part, index) => ({ ...part, to: starts[index + 1]?.from ?? end }))
    .filter(({ from, to }) => to > from);
}

export function events(app, task) {
  const { t, format } = app;
  return table({
    label: t("record.events"),
    rows: task.events,
    columns: [
      { name: t("record.time"), cell: ({ at }) => h("span", { class: "nowrap", title: at }, format.clock(at)) },
      {
        name: t("record.after"),
        number: true,
        cell: ({ at }) => `+${format.seconds(Math.max(0, between(task.created_at, at)))}`,
      },
      { name: t("record.event"), cell: ({ type }) => (t.has(`event.${type}`) ? t(`event.${type}`) : type) },
      { name: t("record.actor"), cell: ({ actor }) => h("code", {}, actor) },
      { name: t("record.detail"), cell: ({ detail }) => detailText(detail), kind: "value" },
    ],
  });
}

function detailText(detail) {
  return Object.entries(detail)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}

export function inputsAndOutputs(app, task) {
  const { t, format } = app;
  const name = (output) =>
    fileName(`${(task.parameters.prompt ?? "").split(/\s+/).slice(0, 5).join(" ")}-${output.seed}`, output.format);
  return h(
    "div",
    { class: "stack" },
    task.inputs.length > 0 &&
      table({
        label: t("record.inputs"),
        rows: task.inputs,
        columns: [
          { name: t("record.role"), cell: ({ role }) => t(`role.${role}`) },
          { name: t("record.origin"), cell: ({ origin }) => t(`origin.${origin}`) },
          {
            name: t("column.length"),
            number: true,
            cell: ({ duration }) => (duration === null ? "–" : clockText(duration)),
          },
          { name: t("record.bytes"), number: true, cell: ({ bytes }) => format.bytes(bytes) },
          { name: "SHA-256", cell: ({ sha256 }) => hash(sha256) },
        ],
      }),
    task.outputs.length
      ? task.outputs.map((output) =>
          h(
            "article",
            { class: "clip-card" },
            clipPlayer(app, output, name(output)),
            facts([
              [t("record.seed"), String(output.seed)],
              [t("column.length"), clockText(output.duration, 1)],
              [t("record.format"), `${output.format}, ${output.sample_rate} Hz`],
              [t("record.bytes"), format.bytes(output.bytes)],
              ["SHA-256", hash(output.sha256)],
            ]),
          ),
        )
      : h("p", { class: "muted" }, t("record.no_outputs")),
  );
}

function hash(text) {
  return text ? h("a", { href: `#/tasks?sha256=${text}`, title: text }, h("code", {}, `${text.slice(0, 12)}…`)) : "–";
}

export function models(app, task) {
  const { t } = app;
  const model = (one) =>
    one
      ? h(
          "span",
          {},
          one.name,
          one.revision && h("code", { class: "muted" }, ` ${one.revision.slice(0, 10)}`),
          one.sha256 && h("code", { class: "muted", title: one.sha256 }, ` ${one.sha256.slice(0, 12)}…`),
        )
      : null;
  const lm = task.lm;
  return h(
    "div",
    { class: "stack" },
    facts([
      [t("record.model_asked"), task.model_requested ?? t("record.default")],
      [t("record.dit"), model(task.dit_model)],
      [t("record.lm"), model(task.lm_model)],
      ...Object.entries(task.versions ?? {})
        .filter(([, value]) => value)
        .map(([name, value]) => [name, String(value)]),
    ]),
    lm &&
      h(
        "details",
        {},
        h("summary", {}, t("record.lm_result")),
        facts([
          [t("record.caption"), lm.caption],
          [t("record.lyrics"), lm.lyrics && h("pre", { dir: "auto" }, lm.lyrics)],
          [t("record.metas"), JSON.stringify(lm.metas)],
          [t("record.backend"), `${lm.backend_requested ?? "–"} → ${lm.backend_used ?? "–"}`],
          [
            t("record.codes"),
            lm.codes.length ? lm.codes.map((codes) => h("p", { class: "small" }, `${codes.slice(0, 120)}…`)) : null,
          ],
        ]),
      ),
  );
}

export function attempts(app, task) {
  const { t, format } = app;
  const place = h("div");
  const failed = task.attempts.some(({ outcome }) => outcome && outcome !== "succeeded");
  const read = () =>
    act(app, async () => {
      const { tracebacks } = await app.api.get(`/v1/admin/tasks/${task.id}/traceback`);
      show(
        place,
        tracebacks.length
          ? tracebacks.map((trace) =>
              h(
                "div",
                {},
                h("h3", {}, t("record.attempt", { n: trace.attempt })),
                h("pre", { class: "trace", tabindex: "0" }, trace.traceback),
              ),
            )
          : h("p", { class: "muted" }, t("record.no_trace")),
      );
    });
  return h(
    "div",
    { class: "stack" },
    task.attempts.map((attempt) =>
      h(
        "article",
        {},
        h(
          "header",
          { class: "spread" },
          h("h3", {}, t("record.attempt", { n: attempt.number })),
          attempt.outcome &&
            stateBadge(
              attempt.outcome === "succeeded" ? "succeeded" : attempt.outcome === "cancelled" ? "cancelled" : "failed",
              t(`outcome.${attempt.outcome}`),
            ),
        ),
        facts([
          [t("record.worker"), attempt.worker_id],
          [t("record.time"), `${format.clock(attempt.started_at)} – ${format.clock(attempt.finished_at)}`],
          [t("usage.gpu"), format.seconds(attempt.gpu_seconds)],
          [t("record.peak"), attempt.peak_memory_bytes ? format.bytes(attempt.peak_memory_bytes) : null],
          [t("column.error"), attempt.error && `${attempt.error_code}: ${attempt.error}`],
        ]),
      ),
    ),
    !task.attempts.length && h("p", { class: "muted" }, t("record.no_attempts")),
    failed &&
      h("div", {}, button({ label: t("record.traceback"), kind: "plain", reason: app.lacks("admin"), onclick: read })),
    place,
  );
}
