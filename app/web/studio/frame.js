// The frame around the areas: top bar, the bar of areas on narrow screens, the dock's height.
import { h, setVars, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { openSettings } from "./settings.js";
import { OPEN } from "./state.js";

const AREAS = { create: "edit", jobs: "music", timeline: "track", library: "folder" };
const LEAST_DOCK_PX = 160;

/** Fills the frame; adds `showArea(name)` to the studio's tools. */
export function mountFrame(studio) {
  const { store, t } = studio;
  const find = (id) => document.getElementById(id);
  drawTop(studio, find("tools"));
  const bar = find("areas");
  const pick = (area) => {
    document.body.dataset.area = area;
    for (const one of bar.children) one.setAttribute("aria-current", String(one.dataset.area === area));
    if (area === "timeline") store.send({ type: "set", changes: { dock: true } });
  };
  show(bar, Object.entries(AREAS).map(([area, symbol]) => button({
    label: t(`area.${area}`), symbol, kind: "quiet", dataset: { area }, onclick: () => pick(area),
  })));
  studio.showArea = pick;
  pick("create");
  find("dock-toggle").addEventListener("click", () => store.send({ type: "set", changes: { dock: !store.state.dock } }));
  find("library-toggle").addEventListener("click", () => toggleLibrary(find("library-toggle")));
  store.watch((state) => state.dock, (dock) => {
    find("dock-toggle").setAttribute("aria-expanded", String(dock));
    document.body.classList.toggle("dock-open", dock);
  });
  makeSeparator(find("separator"), studio);
}

function toggleLibrary(toggle) {
  const isOpen = document.body.classList.toggle("library-open");
  toggle.setAttribute("aria-expanded", String(isOpen));
}

function drawTop(studio, host) {
  const { store, t, format, settings, setTheme } = studio;
  const session = button({ label: "", kind: "quiet", id: "session", "aria-haspopup": "menu", onclick: (event) => studio.project.menu(event.currentTarget) });
  const saved = h("span", { class: "muted small", id: "saved", role: "status" });
  const model = h("span", { class: "muted small ellipsis top-model" });
  const queue = h("span", { class: "small nowrap", id: "queue" });
  const theme = button({
    label: t("theme.label"), symbol: "theme", kind: "quiet", iconOnly: true,
    onclick: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  });
  const gear = button({ label: t("settings.title"), symbol: "settings", kind: "quiet", iconOnly: true, id: "settings", onclick: () => openSettings(studio) });
  show(host, session, saved, h("span", { class: "grow" }), model, queue, theme, gear);
  store.watch((state) => state.edits.present.name, (name) => show(session, h("span", { class: "ellipsis", dir: "auto" }, name)));
  store.watch((state) => state.saved, (state) => { saved.textContent = t(`saved.${state}`); });
  store.watch((state) => state.offer?.default_model, (name) => { model.textContent = name ?? ""; });
  const tell = () => {
    const { stats, jobs } = store.state;
    const own = jobs.filter(({ state }) => OPEN.has(state)).length;
    const wait = stats ? (stats.queue_size * stats.avg_job_seconds) / Math.max(1, stats.workers.online) : 0;
    const parts = [stats && t("top.waiting", { count: stats.queue_size }), wait >= 5 && `~${format.seconds(Math.round(wait))}`, own > 0 && t("top.own", { count: own })];
    queue.textContent = parts.filter(Boolean).join(" · ");
    if (stats && !stats.workers.online) queue.textContent = t("top.no_worker");
  };
  store.watch((state) => state.stats, tell);
  store.watch((state) => state.jobs, tell);
  return settings;
}

/** The line above the dock: drag it or use arrow keys. */
function makeSeparator(separator, { settings }) {
  const set = (height) => {
    const fitting = Math.round(Math.max(LEAST_DOCK_PX, Math.min(innerHeight * 0.7, height)));
    setVars(document.body, { "--dock": `${fitting}px` });
    separator.setAttribute("aria-valuenow", String(fitting));
    settings.set("dock", String(fitting));
    return fitting;
  };
  let height = set(Number(settings.get("dock", "300")));
  separator.addEventListener("keydown", (event) => {
    const by = { ArrowUp: 24, ArrowDown: -24 }[event.key];
    if (!by) return;
    event.preventDefault();
    height = set(height + by);
  });
  separator.addEventListener("pointerdown", (event) => {
    separator.setPointerCapture(event.pointerId);
    const from = height;
    const move = (moved) => { height = set(from + event.clientY - moved.clientY); };
    separator.addEventListener("pointermove", move);
    separator.addEventListener("pointerup", () => separator.removeEventListener("pointermove", move), { once: true });
  });
}
