// The one way to the service: adds key and time limit, takes the envelope apart.
import { NoAnswer, isAbort, unwrap } from "./errors.js";

const LIMIT_MS = 30_000;

/**
 * Makes a client. `base` ends in "/"; `key()` gives the present key or ""; `onUnauthorized(error)` resolves when a
 * new key is there (the request then runs again), or rejects; `onReach(isReached)` hears of every answer or silence.
 */
export function createApi({ base, key, fetch = globalThis.fetch.bind(globalThis), onUnauthorized, onReach = () => {} }) {
  async function send(method, path, { params, body, headers = {}, signal, limitMs = LIMIT_MS } = {}) {
    const limit = limitMs ? AbortSignal.timeout(limitMs) : null;
    const signals = [signal, limit].filter(Boolean);
    try {
      const response = await fetch(addressOf(base, path, params), {
        method,
        headers: { ...authorization(key()), ...contentType(body), ...headers },
        body: body === undefined || body instanceof FormData ? body : JSON.stringify(body),
        signal: signals.length ? AbortSignal.any(signals) : undefined,
        cache: "no-store",
      });
      onReach(response.status < 502);
      return response;
    } catch (error) {
      if (isAbort(error) && signal?.aborted) throw error;
      onReach(false);
      throw new NoAnswer(error.message);
    }
  }

  /** Sends, and once more with each new key for as long as the answer is 401. */
  async function open(method, path, options) {
    for (;;) {
      const response = await send(method, path, options);
      if (response.ok) return response;
      try {
        unwrap(response, await jsonOf(response));
      } catch (error) {
        if (error.status !== 401 || !onUnauthorized) throw error;
        await onUnauthorized(error);
      }
    }
  }

  async function ask(method, path, options) {
    const response = await open(method, path, options);
    return unwrap(response, await jsonOf(response));
  }

  return {
    base,
    get: (path, params, options) => ask("GET", path, { params, ...options }),
    post: (path, body = {}, options) => ask("POST", path, { body, ...options }),
    patch: (path, body, options) => ask("PATCH", path, { body, ...options }),
    delete: (path, options) => ask("DELETE", path, options),
    /** Submits once, however often it is sent: `once` is the Idempotency-Key of this wish. */
    submit: (path, body, once, options) =>
      ask("POST", path, { body, headers: { "Idempotency-Key": once }, limitMs: 0, ...options }),
    blob: async (path, options) => (await open("GET", path, { limitMs: 0, ...options })).blob(),
    /** The response itself, for streams and downloads. */
    open: (path, options) => open("GET", path, { limitMs: 0, ...options }),
  };
}

/** A random id; `crypto.randomUUID` is missing on plain http. */
export function makeOnce(random = crypto) {
  const bytes = random.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The address of a path below `base`; lists become repeated parameters, empty values are left out. */
export function addressOf(base, path, params = {}) {
  const address = new URL(path.replace(/^\//, ""), base);
  for (const [name, value] of Object.entries(params ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") address.searchParams.append(name, one);
    }
  }
  return address.href;
}

function authorization(key) {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function contentType(body) {
  // The browser itself names a multipart body, for it chooses the boundary.
  return body === undefined || body instanceof FormData ? {} : { "Content-Type": "application/json" };
}

async function jsonOf(response) {
  try {
    return await response.json();
  } catch {
    return null;
  }
}
