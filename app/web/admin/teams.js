// Teams, their limits, and how much of them is in use.
import { h, show } from "../lib/dom.js";
import { errorText } from "../lib/page.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { field, numberInput, showProblem, textInput, toggle } from "../ui/field.js";
import { card, failedState, pageHead, redraw, stateBadge, table } from "./parts.js";

/** Fields of a team in the order of the form; all but the name and the switch are numbers or lists. */
const NUMBERS = [
  ["max_queued", "tasks"],
  ["max_running", "tasks"],
  ["max_priority", null],
  ["weight", null],
  ["daily_audio_seconds", "seconds"],
  ["monthly_audio_seconds", "seconds"],
  ["audio_retention_days", "days"],
  ["record_retention_days", "days"],
];

export function open(app, host) {
  const place = h("div");
  const { t } = app;
  let used = new Map();
  let loads = new Map();
  const draw = () =>
    redraw(place, [[...app.teams.values()], [...used], [...loads]], () => teamTable(app, used, loads, edit));
  const load = async () => {
    try {
      await app.loadTeams();
      used = await monthOf(app);
      draw();
    } catch (error) {
      show(place, failedState(app, error, load));
    }
  };
  const edit = async (team) => {
    if (await teamDialog(app, team)) load();
  };
  show(
    host,
    pageHead(t("nav.teams"), t("teams.about"), [
      button({ label: t("teams.new"), symbol: "plus", kind: "primary", onclick: () => edit(null) }),
    ]),
    card(t("teams.all"), place),
  );
  const hear = ({ admin }) => {
    if (admin) {
      loads = new Map(admin.teams.map((one) => [one.name, one]));
      draw();
    }
  };
  app.statusViews.add(hear);
  app.pulse.now();
  load();
  return { close: () => app.statusViews.delete(hear) };
}

async function monthOf(app) {
  const from = `${new Date().toISOString().slice(0, 8)}01`;
  const { items } = await app.api.get("/v1/usage", { from, group_by: "team" });
  return new Map(items.map((row) => [row.team, row.audio_seconds]));
}

function teamTable(app, used, loads, edit) {
  const { t, format } = app;
  const of = (value, most) => (most === null ? format.number(value) : t("teams.of", { value, most }));
  const seconds = (team) => used.get(team.name) ?? used.get(team.id) ?? 0;
  return table({
    label: t("nav.teams"),
    rows: [...app.teams.values()],
    columns: [
      { name: t("teams.name"), cell: ({ name }) => h("strong", { dir: "auto" }, name) },
      { name: t("state.queued"), number: true, cell: (team) => of(loads.get(team.name)?.queued ?? 0, team.max_queued) },
      {
        name: t("state.running"),
        number: true,
        cell: (team) => of(loads.get(team.name)?.running ?? 0, team.max_running),
      },
      {
        name: t("teams.month"),
        number: true,
        cell: (team) =>
          team.monthly_audio_seconds === null
            ? format.seconds(seconds(team))
            : `${format.seconds(seconds(team))} / ${format.seconds(team.monthly_audio_seconds)}`,
      },
      { name: t("team.weight"), number: true, cell: ({ weight }) => format.number(weight) },
      {
        name: t("teams.state"),
        cell: ({ disabled }) => stateBadge(disabled ? "bad" : "ok", t(disabled ? "teams.disabled" : "teams.active")),
      },
      {
        name: t("tasks.actions"),
        quiet: true,
        cell: (team) =>
          h(
            "div",
            { class: "row" },
            button({
              label: t("teams.edit"),
              kind: "plain",
              "data-focus": `edit ${team.id}`,
              "aria-label": t("teams.edit_one", { name: team.name }),
              onclick: () => edit(team),
            }),
            h("a", { class: "button quiet", href: `#/tasks?team=${team.id}` }, t("nav.tasks")),
          ),
      },
    ],
  });
}

/** Asks for the fields of a new or old team and saves what changed; resolves to whether it was saved. */
async function teamDialog(app, team) {
  const { t } = app;
  const name = textInput({ value: team?.name ?? "", dir: "auto" });
  const numbers = NUMBERS.map(([key]) => [key, numberInput({ value: team?.[key] ?? "", min: 0 })]);
  const models = textInput({ value: team?.allowed_models?.join(", ") ?? "" });
  const disabled = toggle({ label: t("team.disabled"), checked: team?.disabled ?? false });
  const body = h(
    "div",
    { class: "stack" },
    h("p", { class: "muted" }, t("team.empty_is_none")),
    field({ label: t("teams.name"), control: name, name: "name" }),
    h(
      "div",
      { class: "parameter-form" },
      numbers.map(([key, control], at) =>
        field({ label: t(`team.${key}`), control, name: key, unit: NUMBERS[at][1] && t(`unit.${NUMBERS[at][1]}`) }),
      ),
    ),
    field({ label: t("team.allowed_models"), control: models, name: "allowed_models", hint: t("team.models_hint") }),
    disabled,
  );
  const save = async () => {
    const given = {
      name: name.value.trim(),
      ...Object.fromEntries(numbers.map(([key, control]) => [key, numberOf(control)])),
      allowed_models: listOf(models.value),
      disabled: disabled.control.checked,
    };
    return store(app, body, team, changesOf(given, team));
  };
  const answer = await openDialog({
    title: team ? t("teams.edit_one", { name: team.name }) : t("teams.new"),
    body,
    wide: true,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("common.save"), value: "save", kind: "primary", check: save },
    ],
  });
  return answer === "save";
}

async function store(app, body, team, changes) {
  const { t, toasts } = app;
  try {
    if (!team) await app.api.post("/v1/teams", changes);
    else if (Object.keys(changes).length) await app.api.patch(`/v1/teams/${team.id}`, changes);
    const words = Object.entries(changes).map(
      ([key, value]) => `${t(key === "name" ? "teams.name" : `team.${key}`)}: ${value ?? t("common.none")}`,
    );
    toasts.show(words.length ? t("teams.saved", { changes: words.join(", ") }) : t("teams.unchanged"), { kind: "ok" });
    return true;
  } catch (error) {
    if (!showProblem(body, error)) toasts.show(errorText(t, error), { kind: "bad" });
    return false;
  }
}

/** What differs from the team; of a new one, what was filled in. */
function changesOf(given, team) {
  return Object.fromEntries(
    Object.entries(given).filter(([key, value]) =>
      team ? JSON.stringify(value) !== JSON.stringify(team[key]) : value !== null && value !== false,
    ),
  );
}

function numberOf(control) {
  return control.value.trim() === "" ? null : control.valueAsNumber;
}

function listOf(text) {
  const names = text
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
  return names.length ? names : null;
}
