// Everything that is known of one task: what was asked, what ran, what came of it, and who did what.
import { h, show } from "../lib/dom.js";
import { throttle } from "../lib/store.js";
import { openDialog } from "../ui/dialog.js";
import { field, textInput } from "../ui/field.js";
import { progressBar, stageWord } from "./overview.js";
import { parameters } from "./parameters.js";
import { card, facts, failedState, pageHead, redraw, shortId, stateBadge } from "./parts.js";
import { recordHead } from "./record-head.js";
import { attempts, events, inputsAndOutputs, models, timeline } from "./record-parts.js";

const READ_MS = 400;

export function open(app, host, place) {
  return new RecordPage(app, host, place.path[0]);
}

class RecordPage {
  constructor(app, host, id) {
    Object.assign(this, { app, host, id, ending: new AbortController() });
    this.places = { head: h("div"), live: h("div"), body: h("div", { class: "stack" }) };
    show(host, Object.values(this.places));
    this.read = throttle(() => this.load(), READ_MS);
    this.end = app.live.watch((news, kind) => this.hear(news, kind));
    this.load();
  }

  hear(news, kind) {
    if (news.task_id !== this.id) return;
    if (kind === "state") this.read();
    this.drawLive(news);
  }

  async load() {
    try {
      this.task = await this.app.api.get(`/v1/tasks/${this.id}`, {}, { signal: this.ending.signal });
      this.draw();
      await this.loadChildren();
    } catch (error) {
      if (!this.ending.signal.aborted)
        show(
          this.places.body,
          failedState(this.app, error, () => this.load()),
        );
      if (!this.task) show(this.places.head, pageHead(this.app.t("record.title")));
    }
  }

  /** The tasks made of this one are found by their parent. */
  async loadChildren() {
    const { items } = await this.app.api.get(
      "/v1/tasks",
      { parent_id: this.id, limit: 20 },
      { signal: this.ending.signal },
    );
    this.children = items;
    this.draw();
  }

  draw() {
    const { app, task, places } = this;
    const { t } = app;
    redraw(places.head, [task.state, task.priority, task.legal_hold, task.deleted_at, Boolean(this.children)], () =>
      recordHead(app, task, { load: () => this.load(), chooseOther: () => this.chooseOther() }),
    );
    if (task.state !== "running") show(places.live);
    redraw(places.body, [task, this.children], () => [
      task.error_code &&
        task.state === "failed" &&
        h(
          "div",
          { class: "notice bad" },
          h("strong", {}, t(`failure.${task.error_code}`)),
          h("span", { dir: "auto" }, task.error),
        ),
      h("div", { class: "columns" }, card(t("record.about"), this.about()), card(t("record.family"), this.family())),
      card(t("record.timeline"), [timeline(app, task), events(app, task)]),
      card(t("record.audio"), inputsAndOutputs(app, task)),
      card(t("record.parameters"), parameters(app, task)),
      h(
        "div",
        { class: "columns" },
        card(t("record.models"), models(app, task)),
        card(t("record.attempts"), attempts(app, task)),
      ),
    ]);
  }

  about() {
    const { app, task } = this;
    const { t, format } = app;
    return facts([
      [t("task.team"), app.teamName(task.team_id)],
      [t("column.key"), task.key_prefix],
      [t("column.created"), format.dateTime(task.created_at)],
      [t("column.waited"), format.seconds(task.queued_seconds)],
      [t("column.ran"), format.seconds(task.run_seconds)],
      [t("column.priority"), format.number(task.priority)],
      [t("record.position"), task.queue_position],
      [t("column.seeds"), task.seeds.join(", ")],
      [t("record.lm_seed"), task.lm_seed],
      [
        t("record.labels"),
        Object.entries(task.labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(", "),
      ],
      [t("record.request_id"), task.request_id],
      [t("record.idempotency"), task.idempotency_key],
      [t("record.client"), task.client && Object.values(task.client).join(" · ")],
      [t("record.expires"), task.expires_at && format.dateTime(task.expires_at)],
      [t("record.hold"), task.legal_hold ? t("record.held") : null],
      [t("record.deleted"), task.deleted_at && format.dateTime(task.deleted_at)],
    ]);
  }

  family() {
    const { t } = this.app;
    const { parent_id: parent, parent_relation: relation } = this.task;
    const children = this.children ?? [];
    if (!parent && !children.length) return h("p", { class: "muted" }, t("record.no_family"));
    const line = (id, words, state) =>
      h(
        "li",
        { class: "row" },
        h("a", { href: `#/record/${id}` }, shortId(id)),
        words,
        state && stateBadge(state, t(`state.${state}`)),
        h("a", { href: `#/compare/${this.id}/${id}` }, t("action.compare")),
      );
    return h(
      "ul",
      { class: "stack tight" },
      parent && line(parent, t(`record.${relation}_of`)),
      children.map((child) => line(child.id, t("record.child"), child.state)),
    );
  }

  drawLive(news) {
    const { t } = this.app;
    if (news.state !== "running") return show(this.places.live);
    const words = `${stageWord(t, news.stage)}${news.steps ? ` ${news.step}/${news.steps}` : ""}`;
    return show(
      this.places.live,
      h("div", { class: "card live" }, h("span", {}, words), progressBar(news.progress, t("task.progress"))),
    );
  }

  async chooseOther() {
    const { t } = this.app;
    const input = textInput({ value: this.task.parent_id ?? "" });
    const control = field({ label: t("compare.other"), control: input });
    const answer = await openDialog({
      title: t("action.compare"),
      body: control,
      actions: [
        { label: t("common.cancel"), value: null },
        { label: t("action.compare"), value: "go", kind: "primary", check: () => input.value.trim() !== "" },
      ],
    });
    if (answer === "go") this.app.router.go(["compare", this.id, input.value.trim()]);
  }

  update({ path }) {
    return path[0] === this.id;
  }

  close() {
    this.end();
    this.read.cancel();
    this.ending.abort();
  }
}
