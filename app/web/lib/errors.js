// The errors of the API as the pages see them.

/** An answer that says no. `code` is that of the envelope, `retryAfter` in seconds or null. */
export class ApiError extends Error {
  constructor({ status, code, text, retryAfter = null, requestId = null }) {
    super(text);
    this.name = "ApiError";
    Object.assign(this, { status, code, text, retryAfter, requestId });
  }

  /** Field that the text of a 400 names at its start ("bpm: must be …"), or null. */
  get field() {
    const match = /^([a-z_][a-z0-9_.]*)(?::| must )/i.exec(this.text);
    return this.status === 400 && match ? match[1] : null;
  }
}

/** No answer came: the service is away, or the line to it. */
export class NoAnswer extends Error {
  constructor(reason) {
    super(reason);
    this.name = "NoAnswer";
  }
}

/** Whether the same request may succeed a little later without any change. */
export function isPassing(error) {
  return error instanceof NoAnswer || (error instanceof ApiError && error.status >= 500);
}

/** Whether a request ended because the page no longer wanted it. */
export function isAbort(error) {
  return error?.name === "AbortError";
}

/** Turns an answer and its parsed body (or null) into data; HTTP 200 with another `code` is an error too. */
export function unwrap(response, body) {
  if (response.ok && body?.code === 200) return body.data;
  throw new ApiError({
    status: response.status,
    code: body?.code ?? response.status,
    text: body?.error || body?.detail || response.statusText || `HTTP ${response.status}`,
    retryAfter: secondsOf(response.headers.get("Retry-After")),
    requestId: response.headers.get("X-Request-Id"),
  });
}

function secondsOf(text) {
  const seconds = Number.parseInt(text ?? "", 10);
  return Number.isFinite(seconds) ? seconds : null;
}
