// The place in a page lives in the hash, so that back, reload and sharing work and no log reads it.

/** Reads `#/tasks/ID?state=failed&state=queued` as {path: ["tasks", "ID"], query: {state: ["failed", "queued"]}}. */
export function parseHash(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const found = {};
  for (const [name, value] of new URLSearchParams(query)) (found[name] ??= []).push(value);
  return { path: path.split("/").filter(Boolean).map(decode), query: found };
}

/** Writes a place; names in a fixed order, so that equal places have equal hashes. */
export function formatHash(path, query = {}) {
  const params = new URLSearchParams();
  for (const name of Object.keys(query).sort()) {
    for (const value of [query[name]].flat()) if (value !== "" && value !== null && value !== undefined) params.append(name, value);
  }
  const text = params.toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
}

/** Makes the router of a window: `place`, `go` (a step back leads here again), `replace`, `watch`. */
export function createRouter(win = window) {
  const views = new Set();
  const tell = () => { for (const view of [...views]) view(parseHash(win.location.hash)); };
  win.addEventListener("hashchange", tell);
  return {
    get place() {
      return parseHash(win.location.hash);
    },
    go(path, query) {
      const hash = formatHash(path, query);
      if (hash !== win.location.hash) win.location.hash = hash;
    },
    replace(path, query, { quiet = false } = {}) {
      win.history.replaceState(null, "", formatHash(path, query));
      if (!quiet) tell();
    },
    watch(view) {
      views.add(view);
      return () => views.delete(view);
    },
  };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
