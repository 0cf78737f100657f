// API keys: made, shown once, rotated, revoked.
import { h, show } from "../lib/dom.js";
import { errorText } from "../lib/page.js";
import { button } from "../ui/button.js";
import { openDialog } from "../ui/dialog.js";
import { check, field, numberInput, select, showProblem, textInput } from "../ui/field.js";
import { SCOPES } from "./app.js";
import { card, failedState, pageHead, stateBadge, table } from "./parts.js";
import { showSecret } from "./secret.js";

const DAYS = [30, 90, 365];

export function open(app, host) {
  const { t } = app;
  const place = h("div");
  const state = { items: [], cursor: null };
  const load = async (fromStart = true) => {
    try {
      const page = await app.api.get("/v1/keys", { limit: 100, cursor: fromStart ? null : state.cursor });
      state.items = fromStart ? page.items : [...state.items, ...page.items];
      state.cursor = page.next_cursor;
      show(
        place,
        keyTable(app, state.items, load),
        state.cursor && button({ label: t("common.more"), kind: "plain", onclick: () => load(false) }),
      );
    } catch (error) {
      show(place, failedState(app, error, load));
    }
  };
  const make = async () => {
    if (await newKey(app)) load();
  };
  show(
    host,
    pageHead(t("nav.keys"), t("keys.about"), [
      button({ label: t("keys.new"), symbol: "plus", kind: "primary", onclick: make }),
    ]),
    card(t("keys.all"), place),
  );
  load();
  return {};
}

function keyTable(app, keys, load) {
  const { t, format } = app;
  return table({
    label: t("nav.keys"),
    rows: keys,
    empty: t("keys.none"),
    columns: [
      { name: t("keys.name"), cell: ({ name }) => h("strong", { dir: "auto" }, name) },
      { name: t("keys.prefix"), cell: ({ prefix }) => h("code", {}, prefix) },
      { name: t("task.team"), cell: ({ team_id: id }) => app.teamName(id) },
      { name: t("keys.scopes"), cell: ({ scopes }) => scopes.join(", "), kind: "value" },
      { name: t("column.created"), cell: ({ created_at: at }) => format.day(at), kind: "nowrap" },
      { name: t("keys.last_used"), cell: ({ last_used_at: at }) => format.ago(at), kind: "nowrap" },
      {
        name: t("keys.expires"),
        cell: ({ expires_at: at }) => (at ? format.day(at) : t("keys.never")),
        kind: "nowrap",
      },
      { name: t("teams.state"), cell: (key) => stateOf(app, key) },
      {
        name: t("tasks.actions"),
        quiet: true,
        cell: (key) =>
          !isEnded(key) &&
          h(
            "div",
            { class: "row" },
            button({
              label: t("keys.rotate"),
              kind: "plain",
              onclick: async () => {
                if (await rotate(app, key)) load();
              },
            }),
            button({
              label: t("keys.revoke"),
              kind: "danger",
              onclick: async () => {
                if (await revoke(app, key)) load();
              },
            }),
          ),
      },
    ],
  });
}

function isEnded(key) {
  return key.revoked_at !== null || (key.expires_at !== null && new Date(key.expires_at) < new Date());
}

function stateOf({ t }, key) {
  if (key.revoked_at) return stateBadge("bad", t("keys.revoked"));
  return isEnded(key) ? stateBadge("warn", t("keys.expired")) : stateBadge("ok", t("keys.active"));
}

async function newKey(app) {
  const { t } = app;
  const name = textInput({ dir: "auto" });
  const team = select({
    options: [...app.teams.values()].map((one) => ({ value: one.id, label: one.name })),
    value: app.me.id,
  });
  const scopes = SCOPES.filter((scope) => app.can(scope)).map((scope) => [
    scope,
    check({
      label: scope,
      hint: t(`scope.${scope}`),
      checked: ["tasks:write", "tasks:read", "tasks:cancel", "audio:read"].includes(scope),
    }),
  ]);
  const expiry = select({
    options: [
      { value: "", label: t("keys.never") },
      ...DAYS.map((days) => ({ value: String(days), label: t("keys.days", { count: days }) })),
    ],
  });
  const body = h(
    "div",
    { class: "stack" },
    field({ label: t("keys.name"), control: name, name: "name", hint: t("keys.name_hint") }),
    app.isAdmin && field({ label: t("task.team"), control: team, name: "team_id" }),
    h(
      "fieldset",
      {},
      h("legend", {}, t("keys.scopes")),
      scopes.map(([, tick]) => tick),
    ),
    field({ label: t("keys.expires"), control: expiry, name: "expires_at" }),
  );
  let made = null;
  const send = async () => {
    made = await tried(app, body, () =>
      app.api.post("/v1/keys", {
        name: name.value.trim(),
        scopes: scopes.filter(([, tick]) => tick.control.checked).map(([scope]) => scope),
        ...(expiry.value ? { expires_at: new Date(Date.now() + Number(expiry.value) * 86_400_000).toISOString() } : {}),
        ...(app.isAdmin ? { team_id: team.value } : {}),
      }),
    );
    return made !== null;
  };
  await openDialog({
    title: t("keys.new"),
    body,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("keys.make"), value: "make", kind: "primary", check: send },
    ],
  });
  if (made) await showSecret(app, { title: t("keys.made"), label: t("key.label"), secret: made.key });
  return made !== null;
}

async function rotate(app, key) {
  const { t } = app;
  const hours = numberInput({ value: 24, min: 0, max: 720 });
  const body = h(
    "div",
    { class: "stack" },
    h("p", {}, t("keys.rotate_effect")),
    field({ label: t("keys.overlap"), control: hours, name: "overlap_hours", unit: t("unit.hours") }),
  );
  let made = null;
  const send = async () => {
    made = await tried(app, body, () =>
      app.api.post(`/v1/keys/${key.id}/rotate`, { overlap_hours: hours.valueAsNumber || 0 }),
    );
    return made !== null;
  };
  await openDialog({
    title: t("keys.rotate"),
    body,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("keys.rotate"), value: "rotate", kind: "primary", check: send },
    ],
  });
  if (made) await showSecret(app, { title: t("keys.made"), label: t("key.label"), secret: made.key });
  return made !== null;
}

async function revoke(app, key) {
  const { t } = app;
  const typed = textInput();
  const control = field({ label: t("keys.type_prefix", { prefix: key.prefix }), control: typed });
  const body = h("div", { class: "stack" }, h("p", {}, t("keys.revoke_effect")), control);
  const send = async () => {
    if (typed.value.trim() !== key.prefix) {
      control.problem(t("keys.prefix_differs"));
      return false;
    }
    return (await tried(app, body, () => app.api.delete(`/v1/keys/${key.id}`))) !== null;
  };
  return (
    (await openDialog({
      title: t("keys.revoke_one", { name: key.name }),
      body,
      actions: [
        { label: t("common.cancel"), value: null },
        { label: t("keys.revoke"), value: "revoke", kind: "danger", check: send },
      ],
    })) === "revoke"
  );
}

/** Sends from a dialog: null, with the reason in place, where the service refuses. */
export async function tried(app, body, send) {
  try {
    return await send();
  } catch (error) {
    if (!showProblem(body, error)) app.toasts.show(errorText(app.t, error), { kind: "bad" });
    return null;
  }
}
