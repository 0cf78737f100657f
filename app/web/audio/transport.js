// Plays a session live on one clock: starts are planned ahead, seeks plan anew, loops follow one another.
import { begin, mixer } from "./render.js";
import { endOf, placeAfter, startsOf, turnsOf } from "./schedule.js";
import { RATE_HZ } from "./units.js";

const LEAD_S = 0.1;
const AHEAD_S = 0.5;
const TURN_MS = 100;
const FADE_S = 0.005;

/** Plans the turns of a run that begin before `until` seconds of the context; `run` = {t0, from, planned, nodes}. */
export function planAhead(context, mix, buffers, session, run, until) {
  const turns = turnsOf(session.loop, run.from, (until - run.t0) * RATE_HZ);
  for (const turn of turns.slice(run.planned)) {
    const last = Number.isFinite(turn.length) ? turn.from + turn.length : endOf(session);
    const starts = startsOf(session, turn.from, last);
    run.nodes.push(...begin(context, mix, buffers, starts, run.t0 + turn.at / RATE_HZ));
  }
  run.planned = turns.length;
}

/** Makes the transport; `load(session)` gives a Map of buffers, `onChange({playing, at})` hears of each move. */
export function createTransport({ load, onChange, makeContext = () => new AudioContext({ sampleRate: RATE_HZ }) }) {
  const deck = { load, onChange, makeContext, context: null, mix: null, run: null, at: 0, session: null, wanted: 0 };
  return {
    play: (session, from) => play(deck, session, from),
    pause: () => pause(deck),
    seek: (session, at) => seek(deck, session, at),
    update: (session) => update(deck, session),
    get at() {
      return placeOf(deck);
    },
    get playing() {
      return deck.run !== null;
    },
    level: () => levelOf(deck),
  };
}

async function play(deck, session, from = deck.at) {
  const wanted = (deck.wanted += 1);
  deck.context ??= deck.makeContext();
  const buffers = await deck.load(session);
  await deck.context.resume();
  if (wanted !== deck.wanted) return;
  silence(deck);
  const { context } = deck;
  const mix = mixer(context, session);
  const meter = new AnalyserNode(context, { fftSize: 2048 });
  mix.master.connect(meter);
  const run = { t0: context.currentTime + LEAD_S, from, planned: 0, nodes: [] };
  Object.assign(deck, { mix, run, session, meter, buffers });
  const plan = () => planAhead(context, mix, buffers, deck.session, run, context.currentTime + AHEAD_S);
  plan();
  run.timer = setInterval(() => {
    plan();
    if (!session.loop.on && placeOf(deck) >= endOf(deck.session)) pause(deck, 0);
  }, TURN_MS);
  const tick = () => {
    if (deck.run !== run) return;
    deck.onChange({ playing: true, at: placeOf(deck) });
    requestAnimationFrame(tick);
  };
  tick();
}

function placeOf({ run, context, session, at }) {
  if (!run) return at;
  const elapsed = Math.max(0, Math.round((context.currentTime - run.t0) * RATE_HZ));
  return placeAfter(session.loop, run.from, elapsed);
}

function pause(deck, at = placeOf(deck)) {
  deck.wanted += 1;
  silence(deck);
  deck.at = at;
  deck.onChange({ playing: false, at });
}

/** Fades out, so that a stop does not click, and lets go of the nodes. */
function silence(deck) {
  const { run, mix, context } = deck;
  if (!run) return;
  clearInterval(run.timer);
  const end = context.currentTime + FADE_S;
  mix.master.gain.setTargetAtTime(0, context.currentTime, FADE_S / 3);
  run.nodes.forEach((node) => node.stop(end));
  setTimeout(() => mix.master.disconnect(), 100);
  deck.run = null;
}

async function seek(deck, session, at) {
  if (deck.run) return play(deck, session, at);
  deck.at = at;
  return deck.onChange({ playing: false, at });
}

/** Takes over a changed session: levels glide, anything that moves a clip plans anew from the present place. */
async function update(deck, session) {
  if (!deck.run || session === deck.session) return;
  const before = deck.session;
  const shape = ({ tracks, loop }) => JSON.stringify([loop, tracks.map(({ id, clips }) => [id, clips])]);
  if (shape(before) === shape(session)) {
    deck.session = session;
    deck.mix.update(session);
  } else {
    await play(deck, session, placeOf(deck));
  }
}

/** Returns the highest value that left the master just now, 0…1 and above. */
function levelOf({ run, meter }) {
  if (!run) return 0;
  const values = new Float32Array(meter.fftSize);
  meter.getFloatTimeDomainData(values);
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
