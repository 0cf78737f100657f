// Sends a form with files and tells how far it is; `fetch` cannot.
import { NoAnswer, unwrap } from "./errors.js";

/** Resolves to the data of the answer. `onPart` gets 0 to 1; aborting `signal` rejects with an AbortError. */
export function upload({ address, key, form, once, onPart = () => {}, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    if (once) request.setRequestHeader("Idempotency-Key", once);
    request.upload.addEventListener("progress", ({ loaded, total }) => onPart(total ? loaded / total : 0));
    request.addEventListener("error", () => reject(new NoAnswer("the line broke")));
    request.addEventListener("abort", () => reject(new DOMException("stopped", "AbortError")));
    request.addEventListener("load", () => {
      try {
        resolve(unwrap(responseOf(request), bodyOf(request)));
      } catch (error) {
        reject(error);
      }
    });
    if (signal?.aborted) return reject(new DOMException("stopped", "AbortError"));
    signal?.addEventListener("abort", () => request.abort(), { once: true });
    return request.send(form);
  });
}

function responseOf(request) {
  return {
    ok: request.status >= 200 && request.status < 300,
    status: request.status,
    statusText: request.statusText,
    headers: { get: (name) => request.getResponseHeader(name) },
  };
}

function bodyOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return null;
  }
}
