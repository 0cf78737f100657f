// Follows the open jobs: one stream for all tabs, and polling for as long as there is none.
import { poll } from "../lib/poll.js";
import { follow } from "../lib/stream.js";
import { lead } from "./lead.js";
import { sourceOfItem } from "./sound.js";
import { OPEN } from "./state.js";

const POLL_MS = 2000;
const QUIET_TURNS = 3;

/** Starts to follow; `onNews(news)` hears of every task of the team. Returns {ask, stop}. */
export function followJobs({ api, store, name, onNews = () => {} }) {
  const end = new AbortController();
  const line = { live: false, turn: 0 };
  const channel = new BroadcastChannel(name);
  const hear = ({ live, news, hello }) => {
    if (hello) return;
    if (live !== undefined) setLive(live);
    if (news) take(news);
  };
  const ask = () => askOpen(api, store, end.signal);
  const setLive = (live) => {
    const came = live && !line.live;
    line.live = live;
    if (came) ask().catch(() => {});
  };
  const take = (news) => {
    onNews(news);
    const job = store.state.jobs.find(({ id }) => id === news.task_id);
    if (!job) return;
    applyNews(store, job, news);
    if (news.state === "succeeded" && OPEN.has(job.state)) ask().catch(() => {});
  };
  channel.onmessage = ({ data }) => hear(data);
  const tell = (message) => {
    hear(message);
    channel.postMessage(message);
  };
  lead({ name, signal: end.signal, work: (signal) => readStream({ api, signal, channel, tell, line, hear }) });
  channel.postMessage({ hello: true });
  const polling = poll({
    everyMs: POLL_MS,
    ask: async (signal) => {
      line.turn += 1;
      const open = store.state.jobs.filter(({ id, state }) => id && OPEN.has(state));
      // A stream tells states and progress; the place in the queue only a question does.
      const isWaiting = open.some(({ state }) => state === "queued") && line.turn % QUIET_TURNS === 0;
      if (open.length && (!line.live || isWaiting)) await askOpen(api, store, signal);
    },
  });
  return {
    ask,
    stop: () => {
      polling.stop();
      end.abort();
      channel.close();
    },
  };
}

function readStream({ api, signal, channel, tell, line, hear }) {
  channel.onmessage = ({ data }) => (data.hello ? channel.postMessage({ live: line.live }) : hear(data));
  return follow({
    api, signal, path: "v1/tasks/stream", onEvent: ({ data }) => data && tell({ news: data }),
    onLive: (live) => (signal.aborted ? null : tell({ live })),
  });
}

/** Asks once for all open jobs and takes over what the service says. */
async function askOpen(api, store, signal) {
  const open = store.state.jobs.filter(({ id, state }) => id && OPEN.has(state));
  if (!open.length) return;
  const entries = await api.post("query_result", { task_id_list: open.map(({ id }) => id) }, { signal });
  entries.forEach((entry, place) => applyEntry(store, open[place], entry));
}

function applyEntry(store, { key, state, attempt }, entry) {
  const items = JSON.parse(entry.result);
  const changes = {
    state: entry.state === "not_found" ? "lost" : entry.state, text: entry.progress_text, error: entry.error,
    error_code: entry.error_code,
  };
  if (entry.state === "succeeded") changes.sources = items.map((item) => sourceOfItem(entry.task_id, item));
  else Object.assign(changes, placeIn(entry.progress_text), { stage: items[0]?.stage, progress: items[0]?.progress });
  if (entry.state === "queued" && state === "running") changes.attempt = attempt + 1;
  store.send({ type: "change-job", key, changes });
}

/** Reads the place in the queue and the step from the text of the progress. */
function placeIn(text) {
  const position = /position (\d+)/.exec(text ?? "");
  const step = /step (\d+)\/(\d+)/.exec(text ?? "");
  return { position: position ? Number(position[1]) : null, step: step ? Number(step[1]) : null, steps: step ? Number(step[2]) : null };
}

function applyNews(store, job, news) {
  if (!OPEN.has(job.state) || news.state === "succeeded") return;
  const { state, progress, stage, step, steps, error, error_code, progress_text: text } = news;
  const again = state === "queued" && job.state === "running";
  const changes = { state, progress, stage, step, steps, error, error_code, text, ...(again && { attempt: job.attempt + 1 }) };
  const position = placeIn(text).position;
  if (position !== null) changes.position = position;
  store.send({ type: "change-job", key: job.key, changes });
}
