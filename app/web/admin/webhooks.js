// Where a team wants its events, what was told there, and telling it once more.
import { h, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { confirm, openDialog } from "../ui/dialog.js";
import { check, field, numberInput, select, textInput, toggle } from "../ui/field.js";
import { deliveryList } from "./deliveries.js";
import { tried } from "./keys.js";
import { act, card, emptyState, facts, failedState, pageHead, stateBadge } from "./parts.js";
import { showSecret } from "./secret.js";

const EVENTS = ["task.succeeded", "task.failed", "task.cancelled", "task.started"];

export function open(app, host, place) {
  const { t } = app;
  const team = place.query.team?.[0] ?? app.me.id;
  const base = `/v1/teams/${team}/webhooks`;
  const list = h("div", { class: "stack" });
  const load = async () => {
    try {
      const { items } = await app.api.get(base);
      show(
        list,
        items.length
          ? items.map((endpoint) => endpointCard(app, base, endpoint, load))
          : card(t("webhooks.endpoints"), emptyState({ text: t("webhooks.none"), symbol: "webhook" })),
      );
    } catch (error) {
      show(list, failedState(app, error, load));
    }
  };
  const teams = [...app.teams.values()].map(({ id, name }) => ({ value: id, label: name }));
  show(
    host,
    pageHead(
      t("nav.webhooks"),
      t("webhooks.about"),
      [
        app.isAdmin &&
          h(
            "div",
            {},
            select({
              options: teams,
              value: team,
              "aria-label": t("task.team"),
              onchange: ({ target }) => app.router.go(["webhooks"], { team: target.value }),
            }),
          ),
        button({
          label: t("webhooks.team_secret"),
          symbol: "key",
          kind: "plain",
          onclick: () => rotateTeamSecret(app, team),
        }),
        button({
          label: t("webhooks.new"),
          symbol: "plus",
          kind: "primary",
          onclick: async () => {
            if (await edit(app, base, null)) load();
          },
        }),
      ].filter(Boolean),
    ),
    list,
  );
  load();
  return {};
}

function endpointCard(app, base, endpoint, load) {
  const { t, format } = app;
  const path = `${base}/${endpoint.id}`;
  const last = endpoint.last_delivery;
  const deliveries = h("details", { class: "deliveries" }, h("summary", {}, t("webhooks.deliveries")));
  deliveries.addEventListener("toggle", () => {
    if (deliveries.open && deliveries.children.length === 1) deliveries.append(deliveryList(app, base, endpoint));
  });
  return card(
    endpoint.url,
    [
      facts([
        [
          t("teams.state"),
          stateBadge(endpoint.active ? "ok" : "warn", t(endpoint.active ? "teams.active" : "webhooks.off")),
        ],
        [t("webhooks.events"), endpoint.events.join(", ")],
        [t("column.created"), format.dateTime(endpoint.created_at)],
        [
          t("webhooks.last"),
          last
            ? h(
                "span",
                { class: "row" },
                stateBadge(last.state, t(`delivery.${last.state}`)),
                `${last.status ?? last.error ?? ""} · ${format.dateTime(last.at)}`,
              )
            : t("webhooks.never"),
        ],
        [t("webhooks.old_secret"), endpoint.old_secret_until && format.dateTime(endpoint.old_secret_until)],
      ]),
      deliveries,
    ],
    [
      button({
        label: t("teams.edit"),
        kind: "plain",
        onclick: async () => {
          if (await edit(app, base, endpoint)) load();
        },
      }),
      button({
        label: t("webhooks.rotate"),
        kind: "plain",
        onclick: async () => {
          if (await rotate(app, path)) load();
        },
      }),
      button({
        label: t("webhooks.delete"),
        kind: "danger",
        onclick: async () => {
          if (
            !(await confirm({
              title: t("webhooks.delete_title"),
              text: t("webhooks.delete_effect", { url: endpoint.url }),
              yes: t("webhooks.delete"),
              no: t("common.cancel"),
              danger: true,
            }))
          )
            return;
          await act(app, () => app.api.delete(path), t("webhooks.deleted"));
          load();
        },
      }),
    ],
  );
}

async function edit(app, base, endpoint) {
  const { t } = app;
  const url = textInput({ type: "url", value: endpoint?.url ?? "" });
  const events = EVENTS.map((name) => [
    name,
    check({
      label: t(`event_name.${name}`),
      hint: name,
      checked: endpoint ? endpoint.events.includes(name) : name !== "task.started",
    }),
  ]);
  const active = toggle({ label: t("teams.active"), checked: endpoint?.active ?? true });
  const body = h(
    "div",
    { class: "stack" },
    field({ label: t("webhooks.url"), control: url, name: "url", hint: t("webhooks.url_hint") }),
    h(
      "fieldset",
      {},
      h("legend", {}, t("webhooks.events")),
      events.map(([, tick]) => tick),
    ),
    active,
  );
  let saved = null;
  const send = async () => {
    const fields = {
      url: url.value.trim(),
      events: events.filter(([, tick]) => tick.control.checked).map(([name]) => name),
      active: active.control.checked,
    };
    saved = await tried(app, body, () =>
      endpoint ? app.api.patch(`${base}/${endpoint.id}`, fields) : app.api.post(base, fields),
    );
    return saved !== null;
  };
  await openDialog({
    title: t(endpoint ? "webhooks.edit" : "webhooks.new"),
    body,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("common.save"), value: "save", kind: "primary", check: send },
    ],
  });
  if (saved?.secret)
    await showSecret(app, { title: t("webhooks.secret"), label: t("webhooks.secret"), secret: saved.secret });
  return saved !== null;
}

async function rotate(app, path) {
  const made = await askOverlap(app, (hours) => app.api.patch(path, { rotate_secret: true, overlap_hours: hours }));
  return made !== null;
}

async function rotateTeamSecret(app, team) {
  await askOverlap(app, (hours) => app.api.post(`/v1/teams/${team}/webhook-secret`, { overlap_hours: hours }));
}

/** Asks how long the old secret stays good, makes a new one, and shows it. */
async function askOverlap(app, make) {
  const { t } = app;
  const hours = numberInput({ value: 24, min: 0, max: 168 });
  const body = h(
    "div",
    { class: "stack" },
    h("p", {}, t("webhooks.rotate_effect")),
    field({ label: t("keys.overlap"), control: hours, name: "overlap_hours", unit: t("unit.hours") }),
  );
  let made = null;
  const send = async () => {
    made = await tried(app, body, () => make(hours.valueAsNumber || 0));
    return made !== null;
  };
  await openDialog({
    title: t("webhooks.rotate"),
    body,
    actions: [
      { label: t("common.cancel"), value: null },
      { label: t("webhooks.rotate"), value: "rotate", kind: "primary", check: send },
    ],
  });
  if (made?.secret)
    await showSecret(app, { title: t("webhooks.secret"), label: t("webhooks.secret"), secret: made.secret });
  return made;
}
