// The area of jobs: what waits, runs, ended, and the takes that came of it.
import { h, icon, setVars, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { confirm } from "../ui/dialog.js";
import { openMenu } from "../ui/menu.js";
import { takeRow } from "./clip.js";
import { OPEN } from "./state.js";

const SYMBOLS = { sending: "upload", queued: "clock", running: "run", succeeded: "done", failed: "error", refused: "error", cancelled: "blocked", lost: "warning" };

/** Shows the jobs in `host`; `act` holds what their buttons do. */
export function mountJobs(host, studio, act) {
  const { store, t } = studio;
  const list = h("ol", { class: "job-list" });
  const tools = h("div", { class: "row job-tools" });
  const empty = emptyState(studio, act);
  host.append(tools, list, empty);
  const cards = new Map();
  store.watch((state) => state.jobs, (jobs) => {
    empty.hidden = jobs.length > 0;
    for (const [key, card] of cards) {
      if (!jobs.some((job) => job.key === key)) {
        card.remove();
        cards.delete(key);
      }
    }
    jobs.toReversed().forEach((job) => {
      if (!cards.has(job.key)) {
        cards.set(job.key, jobCard(studio, act, job));
        list.prepend(cards.get(job.key));
      }
      cards.get(job.key).update(job);
    });
    drawTools(tools, jobs, studio, act);
  });
  store.watch((state) => state.stats, () => store.state.jobs.forEach((job) => cards.get(job.key)?.update(job, true)));
  return { t };
}

function emptyState({ t }, act) {
  const ideas = [1, 2, 3].map((number) => t(`idea.${number}`));
  return h("div", { class: "empty" }, icon("music"), h("p", {}, t("jobs.empty")),
    button({ label: t("form.surprise"), symbol: "dice", kind: "primary", onclick: act.surprise }),
    h("ul", { class: "ideas" }, ideas.map((idea) => h("li", {}, button({ label: idea, kind: "plain", onclick: () => act.start(idea) })))));
}

function drawTools(host, jobs, { t }, act) {
  const waiting = jobs.filter(({ state, id }) => state === "queued" && id);
  const open = jobs.filter(({ state, id }) => OPEN.has(state) && id);
  if (host.dataset.shown === `${waiting.length} ${open.length}`) return;
  host.dataset.shown = `${waiting.length} ${open.length}`;
  const ask = async (chosen, title) => {
    const yes = await confirm({ title, text: t("jobs.cancel_text"), yes: t("jobs.cancel_yes"), no: t("jobs.keep"), danger: true });
    if (yes) chosen.forEach(act.cancel);
  };
  const offer = (chosen, key) => button({ label: t(key, { count: chosen.length }), kind: "quiet", onclick: () => ask(chosen, t(key, { count: chosen.length })) });
  show(host, open.length > 1 ? [waiting.length ? offer(waiting, "jobs.cancel_waiting") : null, offer(open, "jobs.cancel_all")] : []);
}

function jobCard(studio, act, first) {
  const { t, format } = studio;
  const state = h("span", { class: "state" });
  const line = h("p", { class: "job-line" });
  const reason = h("p", { class: "small muted job-reason" });
  const bar = h("div", { class: "progress", role: "progressbar", "aria-label": t("jobs.progress"), "aria-valuemin": "0", "aria-valuemax": "100" });
  const actions = h("div", { class: "row" });
  const takes = h("div", { class: "takes" });
  const about = [t(`task.${first.task}`), t("jobs.takes", { count: first.takes }), format.ago(first.created)].join(" · ");
  const card = h("li", { class: "card job", dataset: { key: first.key } },
    h("header", { class: "spread" }, h("h3", { class: "grow ellipsis", dir: "auto" }, first.title || t("jobs.untitled")), state),
    h("p", { class: "small muted" }, about), line, bar, reason, takes, actions);
  const parts = { card, state, line, reason, bar, actions, takes };
  let shown = {};
  card.update = (job, force = false) => {
    if (job === shown && !force) return;
    draw(parts, job, shown, studio, act);
    shown = job;
  };
  return card;
}

function draw({ card, state, line, reason, bar, actions, takes }, job, before, studio, act) {
  const { t } = studio;
  card.dataset.state = job.state;
  if (job.state !== before.state) {
    state.dataset.state = job.state === "refused" ? "failed" : job.state;
    show(state, icon(SYMBOLS[job.state], "small"), t(`job.${job.state}`));
  }
  line.textContent = sentence(job, studio);
  line.hidden = job.state === "succeeded";
  reason.textContent = [job.error && OPEN.has(job.state) === false ? job.error : null, job.requestId].filter(Boolean).join(" · ");
  reason.hidden = !reason.textContent;
  const part = job.state === "sending" ? job.uploaded : job.progress;
  bar.hidden = !(job.state === "running" || (job.state === "sending" && job.uploaded !== null));
  setVars(bar, { "--part": part ?? 0 });
  bar.setAttribute("aria-valuenow", Math.round((part ?? 0) * 100));
  if (job.state !== before.state || job.stopping !== before.stopping || job.id !== before.id) show(actions, ...actionsOf(job, studio, act));
  if (job.sources && job.sources !== before.sources) show(takes, job.sources.map((source, number) => takeRow(studio, act, source, { number, job })));
}

function sentence(job, studio) {
  const { t } = studio;
  if (job.state === "sending") {
    if (job.retryIn === null) return t("job.sending.text");
    return t(job.waitsFor === 429 ? "job.sending.full" : "job.sending.offline", { seconds: job.retryIn, reason: job.error ?? "" });
  }
  if (job.stopping && OPEN.has(job.state)) return t("job.stopping");
  if (job.state === "queued") return queuedText(job, studio);
  if (job.state === "running") return runningText(job, t);
  if (job.state === "failed") return t(`failure.${job.error_code ?? "internal"}`);
  return t(`job.${job.state}.text`);
}

function queuedText({ position, attempt }, { t, store, format }) {
  const { stats } = store.state;
  const place = position ? t("job.queued.place", { place: position }) : t("job.queued.text");
  const seconds = stats && position ? (position * stats.avg_job_seconds) / Math.max(1, stats.workers.online) : 0;
  const wait = seconds >= 5 ? t("job.queued.wait", { wait: format.seconds(Math.round(seconds / 5) * 5) }) : "";
  return [place, wait, attempt > 1 ? t("job.attempt", { number: attempt }) : ""].filter(Boolean).join(" · ");
}

function runningText({ stage, step, steps, attempt, progress }, t) {
  const name = t(`stage.${stage ?? "loading"}`);
  const words = [steps ? t("job.step", { stage: name, step, steps }) : name, `${Math.round((progress ?? 0) * 100)} %`];
  return [...words, attempt > 1 ? t("job.attempt", { number: attempt }) : ""].filter(Boolean).join(" · ");
}

function actionsOf(job, { t, caller, sender }, act) {
  const lacks = (scope) => (caller()?.scopes.includes(scope) === false ? t("error.scope", { scope }) : null);
  if (job.state === "sending") return [button({ label: t("job.stop"), symbol: "stop", kind: "plain", onclick: () => sender.stop(job.key) })];
  if (OPEN.has(job.state)) {
    const reason = job.stopping ? t("job.stopping") : lacks("tasks:cancel");
    return [button({ label: t("job.cancel"), symbol: "close", kind: "plain", reason, onclick: () => act.cancel(job) })];
  }
  const remove = button({ label: t("job.remove"), symbol: "trash", kind: "quiet", onclick: () => act.remove(job) });
  const resend = button({ label: t("job.edit"), symbol: "edit", kind: "plain", onclick: () => act.refill(job) });
  if (job.state === "lost") return [remove];
  if (job.state === "refused") return [resend, remove];
  const again = button({
    label: t("job.again"), symbol: "retry", kind: "plain", reason: lacks("tasks:write"), "aria-haspopup": "menu",
    onclick: (event) => openMenu(event.currentTarget, t("job.again"), [
      { label: t("job.same_seed"), action: () => act.again(job, "same") },
      { label: t("job.new_seed"), action: () => act.again(job, "new") },
    ]),
  });
  return [again, resend, remove];
}
