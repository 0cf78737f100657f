// Sends a task until it is accepted, refused, or stopped; one wish never makes two tasks.
import { makeOnce } from "../lib/api.js";
import { ApiError, NoAnswer, isAbort } from "../lib/errors.js";
import { waitSeconds } from "../lib/stream.js";
import { upload } from "../lib/upload.js";
import { bodyOf } from "./request.js";

const LONGEST_WAIT_S = 120;

/** Makes {submit, again, cancel, stop} over the page's tools. */
export function createSender(studio) {
  const stops = new Map();
  const run = (job, send) => deliver(studio, job, send, stops);
  return {
    submit: (request, about) => {
      const job = newJob(studio, { ...about, request: request.fields });
      return run(job, (once, signal) => post(studio, job, request, once, signal));
    },
    /** Retries a job: with the same seeds, or by a re-run with new ones. */
    again: (old, seeds) => {
      const isRetry = seeds === "same" && ["failed", "cancelled"].includes(old.state);
      const job = newJob(studio, { title: old.title, task: old.task, takes: old.takes, request: old.request });
      const [path, body] = isRetry ? [`v1/tasks/${old.id}/retry`, {}] : [`v1/tasks/${old.id}/rerun`, { seeds }];
      return run(job, (once, signal) => studio.api.submit(path, body, once, { signal }));
    },
    cancel: (job) => cancel(studio, job),
    stop: (key) => stops.get(key)?.abort(),
  };
}

function newJob({ store }, { title, task, takes, request, target = null }) {
  const job = {
    key: makeOnce(), id: null, title, task, takes, request, target, created: Date.now(), state: "sending", attempt: 1,
    progress: 0, uploaded: null, retryIn: null, error: null,
  };
  store.send({ type: "add-job", job });
  return job;
}

async function deliver(studio, job, send, stops) {
  const { store } = studio;
  const stop = new AbortController();
  const change = (changes) => store.send({ type: "change-job", key: job.key, changes });
  stops.set(job.key, stop);
  try {
    const accepted = await untilAccepted(job, send, stop.signal, change);
    change({ id: accepted.task_id, state: "queued", position: accepted.queue_position, retryIn: null, uploaded: null });
    return accepted;
  } catch (error) {
    if (isAbort(error)) store.send({ type: "remove-job", key: job.key });
    else refuse(store, job, error, change);
    return null;
  } finally {
    stops.delete(job.key);
  }
}

/** A wrong field goes to the form; everything else stays on the card with its reason. */
function refuse(store, job, error, change) {
  if ([400, 413, 415].includes(error.status) && job.request) {
    store.send({ type: "remove-job", key: job.key });
    store.send({ type: "set", changes: { problem: error } });
  } else {
    change({ state: "refused", error: error.text ?? error.message, requestId: error.requestId ?? null, retryIn: null });
  }
}

async function untilAccepted(job, send, signal, change) {
  for (let failures = 0; ; failures += 1) {
    try {
      return await send(job.key, signal);
    } catch (error) {
      const wait = secondsUntilNext(error, failures);
      if (wait === null) throw error;
      await countDown(wait, signal, (retryIn) => change({ retryIn, error: error.text ?? null, waitsFor: error.status ?? 0 }));
      change({ retryIn: null, error: null });
    }
  }
}

/** Returns how long to wait before the same request is sent again, or null when it would not help. */
export function secondsUntilNext(error, failures) {
  if (error instanceof NoAnswer) return waitSeconds(failures + 1);
  if (!(error instanceof ApiError)) return null;
  if (error.status >= 500) return waitSeconds(failures + 1);
  const isPassing = error.status === 429 && error.retryAfter !== null && error.retryAfter <= LONGEST_WAIT_S;
  return isPassing && !/quota/i.test(error.text) ? error.retryAfter : null;
}

async function countDown(seconds, signal, tell) {
  const end = performance.now() + seconds * 1000;
  for (let left = end - performance.now(); left > 0; left = end - performance.now()) {
    tell(Math.ceil(left / 1000));
    await new Promise((resolve) => setTimeout(resolve, Math.min(1000, left)));
    signal.throwIfAborted();
  }
}

async function post(studio, job, request, once, signal) {
  const { api, keyring, address, store, askKey } = studio;
  if (!Object.keys(request.files).length) return api.submit("release_task", request.fields, once, { signal });
  const onPart = (uploaded) => store.send({ type: "change-job", key: job.key, changes: { uploaded } });
  for (;;) {
    try {
      const form = bodyOf(request);
      return await upload({ address: new URL("release_task", api.base).href, key: keyring.get(address), form, once, onPart, signal });
    } catch (error) {
      if (error.status !== 401) throw error;
      await askKey(error);
    }
  }
}

async function cancel({ api, store, live }, job) {
  store.send({ type: "change-job", key: job.key, changes: { stopping: true } });
  try {
    await api.post(`v1/tasks/${job.id}/cancel`);
  } catch (error) {
    if (error.status !== 409) store.send({ type: "change-job", key: job.key, changes: { stopping: false, error: error.text } });
  }
  await live.ask().catch(() => {});
}
