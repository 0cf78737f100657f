// What an endpoint was told: every try with its code and answer.
import { h, show } from "../lib/dom.js";
import { button } from "../ui/button.js";
import { act, emptyState, facts, failedState, shortId, stateBadge } from "./parts.js";

/** The deliveries of an endpoint, newest first, page by page. */
export function deliveryList(app, base, endpoint) {
  const { t } = app;
  const list = h("ul", { class: "stack" });
  const foot = h("div", { class: "row" });
  let cursor = null;
  const load = async (fromStart) => {
    try {
      const page = await app.api.get(`${base}/${endpoint.id}/deliveries`, {
        limit: 25,
        cursor: fromStart ? null : cursor,
      });
      if (fromStart) show(list);
      cursor = page.next_cursor;
      list.append(...page.items.map((delivery) => line(app, base, delivery, () => load(true))));
      show(
        foot,
        button({ label: t("webhooks.refresh"), symbol: "retry", kind: "quiet", onclick: () => load(true) }),
        cursor && button({ label: t("common.more"), kind: "plain", onclick: () => load(false) }),
      );
      if (!list.children.length) list.append(h("li", {}, emptyState({ text: t("webhooks.nothing_sent") })));
    } catch (error) {
      show(
        foot,
        failedState(app, error, () => load(true)),
      );
    }
  };
  load(true);
  return h("div", { class: "stack" }, list, foot);
}

function line(app, base, delivery, again) {
  const { t, format } = app;
  const redeliver = button({
    label: t("webhooks.redeliver"),
    symbol: "retry",
    kind: "plain",
    reason: delivery.state === "pending" ? t("webhooks.is_pending") : null,
    onclick: async () => {
      await act(app, () => app.api.post(`${base}/deliveries/${delivery.id}/redeliver`), t("webhooks.redelivered"));
      again();
    },
  });
  return h(
    "li",
    { class: "delivery" },
    h(
      "div",
      { class: "spread" },
      h(
        "span",
        { class: "row" },
        stateBadge(delivery.state, t(`delivery.${delivery.state}`)),
        h("strong", {}, delivery.event),
        h("a", { href: `#/record/${delivery.task_id}` }, shortId(delivery.task_id)),
      ),
      redeliver,
    ),
    facts([
      [t("column.created"), format.dateTime(delivery.created_at)],
      [t("webhooks.tries"), format.number(delivery.tries)],
      [t("webhooks.next"), delivery.next_at && delivery.state === "pending" ? format.dateTime(delivery.next_at) : null],
    ]),
    delivery.attempts.length > 0 &&
      h(
        "ol",
        { class: "attempts" },
        delivery.attempts.map((attempt) =>
          h(
            "li",
            {},
            h(
              "div",
              { class: "row" },
              h("span", { class: "nowrap" }, format.dateTime(attempt.at)),
              h(
                "strong",
                { class: attempt.status >= 200 && attempt.status < 300 ? "" : "bad" },
                attempt.status ? `HTTP ${attempt.status}` : (attempt.error ?? t("webhooks.no_answer")),
              ),
              h("span", { class: "muted" }, `${attempt.latency_ms} ms`),
            ),
            attempt.answer && h("pre", { class: "answer" }, attempt.answer),
          ),
        ),
      ),
  );
}
