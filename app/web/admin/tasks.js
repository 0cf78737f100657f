// The task list: filters in the address, pages as they are needed, live changes in place.
import { h, setVars, show } from "../lib/dom.js";
import { errorText } from "../lib/page.js";
import { throttle } from "../lib/store.js";
import { button } from "../ui/button.js";
import { openMenu } from "../ui/menu.js";
import { createVirtualList } from "../ui/virtual-list.js";
import { menuItems } from "./actions.js";
import { selectionBar } from "./bulk.js";
import { filterBar, filtersOf, paramsOf, queryOf, setFilters } from "./filters.js";
import { listTools } from "./list-tools.js";
import { emptyState, pageHead } from "./parts.js";
import { COLUMNS, USUAL, gridOf, headRow, taskRow } from "./row.js";
import { playTask } from "./sound.js";

const PAGE = 200;
const [ROW_PX, CARD_PX] = [36, 68];
const DRAW_MS = 250;
const SLOW_MS = 2000;

export function open(app, host, place) {
  const view = new TaskList(app, host);
  view.follow(place);
  return view;
}

class TaskList {
  constructor(app, host) {
    Object.assign(this, { app, filters: null, selected: new Map(), fresh: 0 });
    this.columns = (app.settings.get("columns") ?? USUAL.join()).split(",").filter((name) => COLUMNS.includes(name));
    this.narrow = matchMedia("(max-width: 719px)");
    this.bar = filterBar(app, [], (filters) => app.router.go(["tasks"], queryOf(filters)));
    this.state = h("div", { class: "list-state row", role: "status" });
    this.news = h("div", { class: "row news" });
    this.selection = h("div", { class: "selection row", hidden: true });
    this.player = h("div", { class: "player", hidden: true });
    this.place = h("div", { class: "list-place" });
    this.list = this.makeList();
    this.refresh = throttle(() => this.list.redraw(), DRAW_MS);
    show(this.place, this.list);
    host.classList.add("fills");
    show(
      host,
      pageHead(app.t("nav.tasks"), null, listTools(app, this)),
      this.bar.form,
      this.bar.chips,
      h("div", { class: "spread" }, this.state, this.news),
      this.place,
      this.player,
      this.selection,
    );
    this.ends = [app.live.watch((news) => this.hear(news))];
    const fit = () => {
      this.list.setRowPx(this.narrow.matches ? CARD_PX : ROW_PX);
    };
    this.narrow.addEventListener("change", fit);
    this.ends.push(() => this.narrow.removeEventListener("change", fit));
    this.addModels();
  }

  /** The models on offer become choices; without them the filter still takes those of the address. */
  async addModels() {
    const names = await this.app.api
      .get("/v1/models")
      .then(({ models }) => models.map(({ name }) => name))
      .catch(() => []);
    const control = this.bar.form.querySelector("[data-name=model] select");
    const known = new Set([...names, this.filters?.model].filter(Boolean));
    control.append(...[...known].map((name) => h("option", { value: name }, name)));
    control.value = this.filters?.model ?? "";
  }

  makeList() {
    const { app } = this;
    return Object.assign(
      createVirtualList({
        label: app.t("nav.tasks"),
        rowPx: this.narrow.matches ? CARD_PX : ROW_PX,
        head: headRow(app, this.columns),
        load: (cursor, signal) => this.load(cursor, signal),
        row: (task) =>
          taskRow(app, task, {
            columns: this.columns,
            selected: this.selected.has(task.id),
            onselect: (one) => this.select(one),
            onopen: (one) => this.open(one),
            onplay: (one) => this.play(one),
            onmenu: (one, anchor) => this.menu(one, anchor),
          }),
        onchange: (state) => this.tell(state),
        onopen: (task) => this.open(task),
        onselect: (task) => this.select(task),
        onmenu: (task, row) => this.menu(task, row.querySelector("[aria-haspopup]")),
      }),
      { className: "virtual tasks" },
    );
  }

  follow({ query }) {
    const filters = filtersOf(query);
    if (JSON.stringify(filters) === JSON.stringify(this.filters)) return;
    this.filters = filters;
    this.bar.draw(filters);
    setVars(this.list, gridOf(this.columns));
    this.restart();
  }

  update(place) {
    this.follow(place);
    return true;
  }

  restart() {
    this.fresh = 0;
    this.selected.clear();
    this.drawNews();
    this.drawSelection();
    this.list.reset();
  }

  async load(cursor, signal) {
    if (!this.filters) return { items: [], next: null };
    const slow = setTimeout(() => show(this.state, h("span", {}, this.app.t("tasks.narrow"))), SLOW_MS);
    try {
      const page = await this.app.api.get("/v1/tasks", { ...paramsOf(this.filters), limit: PAGE, cursor }, { signal });
      return { items: page.items, next: page.next_cursor };
    } finally {
      clearTimeout(slow);
    }
  }

  tell({ loaded, isLoading, isEnd, error }) {
    const { t } = this.app;
    const isEmpty = isEnd && loaded === 0 && this.filters !== null;
    this.place.querySelector(".empty")?.remove();
    if (isEmpty)
      this.place.append(
        emptyState({
          symbol: "tasks",
          text: t(setFilters(this.app, this.filters).length ? "tasks.none_match" : "tasks.none"),
        }),
      );
    if (error)
      show(
        this.state,
        h("span", { class: "bad" }, errorText(t, error)),
        button({ label: t("common.retry"), kind: "quiet", onclick: () => this.list.retry() }),
      );
    else
      show(
        this.state,
        h(
          "span",
          { class: "muted" },
          t("tasks.loaded", { count: loaded }),
          isLoading ? ` · ${t("tasks.loading")}` : isEnd ? ` · ${t("tasks.end")}` : "",
        ),
      );
  }

  /** A known task changes in place; a new one waits until the user wants to see it. */
  hear(news) {
    const change = { id: news.task_id, state: news.state, error_code: news.error_code };
    if (this.list.replace(change)) {
      if (!document.hidden && !document.querySelector("dialog[open]") && this.selected.size === 0) this.refresh();
    } else if (news.state === "queued" && this.fits(news)) {
      this.fresh += 1;
      this.drawNews();
    }
  }

  fits(news) {
    const { state, team, order } = this.filters ?? { state: [] };
    return (
      order !== "asc" &&
      (!state.length || state.includes("queued")) &&
      (!team || !news.team_id || team === news.team_id)
    );
  }

  drawNews() {
    const { t } = this.app;
    show(
      this.news,
      this.fresh > 0 &&
        button({
          label: t("tasks.fresh", { count: this.fresh }),
          symbol: "up",
          kind: "plain",
          onclick: () => this.restart(),
        }),
    );
  }

  drawSelection() {
    selectionBar(this.app, this.selection, this.selected, {
      clear: () => {
        this.selected.clear();
        this.drawSelection();
        this.list.redraw();
      },
      done: () => this.restart(),
    });
  }

  select(task) {
    if (!this.selected.delete(task.id)) this.selected.set(task.id, task);
    this.drawSelection();
    this.list.redraw();
  }

  open(task) {
    this.app.router.go(["record", task.id]);
  }

  play(task) {
    playTask(this.app, this.player, task);
  }

  menu(task, anchor) {
    openMenu(
      anchor,
      this.app.t("tasks.actions"),
      menuItems(this.app, task, (change) => {
        if (change.made) return;
        this.list.replace({ ...task, ...change, id: task.id });
        this.list.redraw();
      }),
    );
  }

  setColumns(columns) {
    this.columns = columns;
    this.app.settings.set("columns", columns.join());
    show(this.list.querySelector(".head"), headRow(this.app, columns));
    setVars(this.list, gridOf(columns));
    this.list.redraw();
  }

  close() {
    this.ends.forEach((end) => end());
    this.refresh.cancel();
    this.player.querySelector("audio")?.pause();
  }
}
