// Builds Studio: tools first, then the areas, then what the service says.
import { isAbort, isPassing } from "../lib/errors.js";
import { errorText, startPage } from "../lib/page.js";
import { makeOnce } from "../lib/api.js";
import { bindKeys } from "../lib/keys.js";
import { poll } from "../lib/poll.js";
import { createStore } from "../lib/store.js";
import { createTransport } from "../audio/transport.js";
import { createPlayer } from "../ui/player.js";
import { createActions } from "./actions.js";
import { announce } from "./announce.js";
import { createAssist } from "./assist.js";
import { openStores } from "./db.js";
import { LEVELS, fieldsOf } from "./fields.js";
import { mountForm, offerOf } from "./form.js";
import { mountFrame } from "./frame.js";
import { mountJobs } from "./jobs.js";
import { mountLibrary } from "./library.js";
import { followJobs } from "./live.js";
import { loadBuffers } from "./mix.js";
import { mountPlayer } from "./player-bar.js";
import { createProject } from "./project.js";
import { emptySession } from "./session.js";
import { createSound } from "./sound.js";
import { initialState, reduce } from "./state.js";
import { createSender } from "./submit.js";
import { mountTimeline } from "./timeline.js";
import { createTimelineActions, watchTargets } from "./timeline-actions.js";

const STATS_MS = 10_000;

async function start() {
  const page = await startPage("studio");
  const studio = { ...page, ...(await makeTools(page)) };
  studio.act = Object.assign(createActions(studio), createTimelineActions(studio), createAssist(studio));
  studio.project = createProject(studio);
  await studio.project.restore();
  const find = (id) => document.getElementById(id);
  mountFrame(studio);
  mountForm(find("create"), studio, studio.act);
  mountJobs(find("jobs-body"), studio, studio.act);
  mountPlayer(find("player"), studio, find("jobs"));
  mountTimeline(find("timeline"), studio, studio.act);
  const library = mountLibrary(find("library-body"), studio, studio.act);
  studio.library = () => library;
  watchTargets(studio);
  announce(studio);
  bindKeys(document, {
    "Ctrl+Enter": () => studio.act.submit(),
    "Ctrl+z": (event) => (event.target.closest("#create") && !isWriting(event) ? studio.store.send({ type: "undo-form" }) : false),
    "Ctrl+Shift+z": (event) => (event.target.closest("#create") && !isWriting(event) ? studio.store.send({ type: "redo-form" }) : false),
  });
  document.body.dataset.ready = "yes";
  connect(studio, library);
}

/** While somebody writes, Ctrl+Z is the browser's own. */
const isWriting = ({ target }) => target.matches("textarea, input[type=text]") && target.value !== "";

async function makeTools(page) {
  const { api, settings, t, address, toasts } = page;
  const stores = await openStores(address);
  const level = settings.get("level", LEVELS[0]);
  const session = emptySession(makeOnce(), t("session.untitled"), new Date().toISOString());
  const store = createStore(reduce, initialState(session, LEVELS.includes(level) ? level : LEVELS[0]));
  const sound = createSound({ api, stores, onFull: () => toasts.show(t("session.full"), { kind: "bad" }) });
  const studio = {
    stores, store, sound, onTransport: () => {}, library: () => null,
    caller: () => store.state.caller, offer: () => offerOf(store.state),
    live: { ask: async () => {} },
    player: createPlayer({ load: sound.blob, volume: Number(settings.get("volume", "1")) }),
  };
  studio.transport = createTransport({
    load: (present) => loadBuffers({ sound }, present), onChange: (state) => studio.onTransport(state),
  });
  // The sender reads tools that are made after it, so it gets the object that will hold them.
  studio.sender = createSender(new Proxy({}, { get: (_, name) => studio[name] ?? page[name] }));
  return studio;
}

/** Loads what the form needs, then follows jobs; until the service answers it tries again. */
function connect(studio, library) {
  const { api, store, address, keyring } = studio;
  const state = { loaded: false };
  const load = async (signal) => {
    const document_ = await (await api.open("openapi.json", { signal, limitMs: 30_000 })).json();
    store.send({ type: "set", changes: { fields: fieldsOf(document_) } });
    const { caller } = await api.get("v1/teams/me", null, { signal });
    const inventory = await api.get("v1/model_inventory", null, { signal });
    store.send({ type: "set", changes: { caller, offer: { ...inventory, stamp: 1 } } });
    state.loaded = true;
    const name = `acestep ${address} ${keyring.get(address).slice(0, 12)}`;
    Object.assign(studio.live, followJobs({ api, store, name, onNews: library.noticed }));
    library.load();
  };
  poll({
    everyMs: STATS_MS, onError: (error) => tellOnce(studio, state, error),
    ask: async (signal) => {
      if (!state.loaded) await load(signal);
      store.send({ type: "set", changes: { stats: await api.get("v1/stats", null, { signal }) } });
      const inventory = await api.get("v1/model_inventory", null, { signal });
      const known = store.state.offer;
      if (JSON.stringify({ ...inventory, stamp: known.stamp }) === JSON.stringify(known)) return;
      store.send({ type: "set", changes: { offer: { ...inventory, stamp: known.stamp + 1 } } });
    },
  });
}

/** A lost connection has its own strip; anything else is said once. */
function tellOnce({ toasts, t }, state, error) {
  if (isPassing(error) || isAbort(error) || state.told === error.message) return;
  state.told = error.message;
  toasts.show(errorText(t, error), { kind: "bad" });
}

start();
