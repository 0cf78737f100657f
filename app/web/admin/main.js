// Starts the page of those who run the service: head, navigation, and one page at a time.
import { h, icon, show } from "../lib/dom.js";
import { LANGUAGES } from "../lib/i18n.js";
import { errorText, startPage } from "../lib/page.js";
import { createRouter } from "../lib/router.js";
import { button } from "../ui/button.js";
import { select } from "../ui/field.js";
import { createAdmin } from "./app.js";
import { emptyState } from "./parts.js";
import { startPulse } from "./pulse.js";

/** Name in the hash, symbol, the scope that its first request needs, module. */
const PAGES = [
  ["overview", "overview", "stats:read", () => import("./overview.js")],
  ["tasks", "tasks", "tasks:read", () => import("./tasks.js")],
  ["teams", "teams", "admin", () => import("./teams.js")],
  ["keys", "key", "team:manage", () => import("./keys.js")],
  ["usage", "chart", "usage:read", () => import("./usage.js")],
  ["webhooks", "webhook", "team:manage", () => import("./webhooks.js")],
  ["audit", "log", "admin", () => import("./audit.js")],
];
/** Pages that are reached from others. */
const INNER = { record: ["tasks", () => import("./record.js")], compare: ["tasks", () => import("./compare.js")] };

const content = document.getElementById("content");
const page = await startPage("admin");
document.getElementById("tools").append(...tools(page));
await enter();

async function enter() {
  try {
    const app = await createAdmin(page, createRouter());
    begin(app);
  } catch (error) {
    const again = button({
      label: page.t(error.status === 401 ? "key.enter" : "common.retry"),
      kind: "primary",
      onclick: enter,
    });
    show(
      content,
      h("h1", {}, page.t("page.title")),
      emptyState({ text: errorText(page.t, error), symbol: "key", action: again }),
    );
  }
}

function begin(app) {
  const offered = PAGES.filter(([, , scope]) => app.can(scope));
  const nav = document.getElementById("nav");
  show(
    nav,
    h(
      "ul",
      {},
      offered.map(([name, symbol]) =>
        h("li", {}, h("a", { href: `#/${name}`, dataset: { page: name } }, icon(symbol), app.t(`nav.${name}`))),
      ),
    ),
  );
  drawer(nav);
  document.getElementById("tools").prepend(keyChip(app));
  startPulse(app, document.getElementById("pulse"));
  const turn = pageTurner(app, offered);
  app.router.watch(turn);
  turn(app.router.place);
}

/** Shows the page of a place. A page answers `update(place)` with true while it can follow the place itself. */
function pageTurner(app, offered) {
  let open = null;
  let turning = 0;
  return async ({ path, query }) => {
    const name = path[0] in INNER || offered.some(([one]) => one === path[0]) ? path[0] : offered[0]?.[0];
    if (!name) return show(content, emptyState({ text: app.t("page.nothing"), symbol: "key" }));
    const place = { path: path.slice(1), query };
    mark(INNER[name]?.[0] ?? name);
    if (open?.name === name && open.view?.update?.(place)) return undefined;
    open?.view?.close?.();
    const number = (turning += 1);
    const load = INNER[name]?.[1] ?? offered.find(([one]) => one === name)[3];
    const module = await load();
    if (number !== turning) return undefined;
    const host = h("div", { class: "page stack", dataset: { page: name } });
    show(content, host);
    open = { name, view: module.open(app, host, place) };
    // A page within another one has its heading only once its object is there.
    const heading = host.querySelector("h1")?.textContent ?? app.t(name in INNER ? `${name}.title` : `nav.${name}`);
    document.title = `${heading} – ${app.t("page.title")}`;
    return undefined;
  };
}

function mark(name) {
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.page === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** On a narrow screen the navigation comes and goes by its button, a choice, or Escape. */
function drawer(nav) {
  const opener = document.getElementById("open-nav");
  const set = (isOpen) => {
    document.body.classList.toggle("nav-open", isOpen);
    opener.setAttribute("aria-expanded", String(isOpen));
  };
  opener.addEventListener("click", () => set(!document.body.classList.contains("nav-open")));
  nav.addEventListener("click", () => set(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !document.body.classList.contains("nav-open")) return;
    set(false);
    opener.focus();
  });
}

function tools({ t, settings, setTheme, setLanguage }) {
  const languages = Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }));
  const themes = ["system", "light", "dark"].map((value) => ({ value, label: t(`theme.${value}`) }));
  return [
    select({
      options: languages,
      value: t.language,
      "aria-label": t("language.label"),
      onchange: ({ target }) => setLanguage(target.value),
    }),
    select({
      options: themes,
      value: settings.get("theme", "system"),
      "aria-label": t("theme.label"),
      onchange: ({ target }) => setTheme(target.value),
    }),
  ];
}

function keyChip(app) {
  const { caller } = app.me;
  const label = caller.open ? app.t("key.open") : (caller.key_prefix ?? app.t("key.operator"));
  const change = async () => {
    app.keyring.forget(app.address);
    location.reload();
  };
  return button({
    label,
    symbol: "key",
    kind: "quiet",
    title: app.t(caller.open ? "key.open_hint" : "key.change"),
    onclick: change,
  });
}
