// What the pages of the admin share: who asks, what that key may do, names of teams, live news.
import { follow } from "../lib/stream.js";

export const SCOPES = [
  "tasks:write",
  "tasks:read",
  "tasks:cancel",
  "tasks:delete",
  "audio:read",
  "stats:read",
  "usage:read",
  "team:manage",
  "admin",
];
const HIDDEN_MS = 60_000;
const MOST_TEAM_PAGES = 5;

/** Adds to the page: {me, can, lacks, teamName, teams, loadTeams, live, router}. */
export async function createAdmin(page, router) {
  const me = await page.api.get("/v1/teams/me");
  const scopes = new Set(me.caller.scopes);
  const can = (scope) => scopes.has("admin") || scopes.has(scope);
  const app = {
    ...page,
    router,
    me,
    can,
    isAdmin: scopes.has("admin"),
    /** The reason why a control is disabled, or null. */
    lacks: (scope) => (can(scope) ? null : page.t("error.scope", { scope })),
    teams: new Map([[me.id, me]]),
    teamName: (id) => app.teams.get(id)?.name ?? id?.slice(0, 8) ?? "–",
    live: createLive(page, can("tasks:read")),
  };
  app.loadTeams = () => loadTeams(app);
  await app.loadTeams();
  return app;
}

/** Reads the names of all teams for an admin; those beyond the first thousand keep their ids. */
async function loadTeams(app) {
  if (!app.isAdmin) return;
  let cursor = null;
  for (let page = 0; page < MOST_TEAM_PAGES; page += 1) {
    const found = await app.api.get("/v1/teams", { limit: 200, cursor });
    for (const team of found.items) app.teams.set(team.id, team);
    cursor = found.next_cursor;
    if (!cursor) return;
  }
}

/** One stream for the page; `watch(hear)` gets every event. A tab that nobody sees lets go of its line. */
function createLive(page, isAllowed) {
  const views = new Set();
  const states = new Set();
  let line = null;
  let timer = null;
  const connect = () => {
    clearTimeout(timer);
    if (!isAllowed || line) return;
    line = new AbortController();
    follow({
      api: page.api,
      path: "/v1/tasks/stream",
      signal: line.signal,
      onEvent: ({ kind, data }) => {
        for (const hear of [...views]) hear(data, kind);
      },
      onLive: (isLive) => {
        for (const hear of [...states]) hear(isLive);
      },
    });
  };
  const look = () => {
    if (!document.hidden) return connect();
    timer = setTimeout(() => {
      line?.abort();
      line = null;
    }, HIDDEN_MS);
    return undefined;
  };
  document.addEventListener("visibilitychange", look);
  connect();
  return {
    watch(hear) {
      views.add(hear);
      return () => views.delete(hear);
    },
    watchLine(hear) {
      states.add(hear);
      return () => states.delete(hear);
    },
  };
}
