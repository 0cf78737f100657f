// Plays a session on any audio context, live or offline: both run this code.
import { audibleTracks, endOf, startsOf } from "./schedule.js";
import { RATE_HZ, gainOf } from "./units.js";

const PIECE_SAMPLES = 60 * RATE_HZ;
const SMOOTH_S = 0.01;

/** Builds track and master strips: `into` is the node of a track, `update` hears of a changed session. */
export function mixer(context, session) {
  const master = new GainNode(context, { gain: gainOf(session.master.gain_db) });
  master.connect(context.destination);
  const strips = new Map();
  const strip = (track) => {
    // Two channels are forced, because a panner lowers a mono input by 3 dB in the middle.
    const gain = new GainNode(context, { gain: 0, channelCount: 2, channelCountMode: "explicit" });
    const pan = new StereoPannerNode(context, { pan: track.pan });
    gain.connect(pan).connect(master);
    strips.set(track.id, { gain, pan });
    return strips.get(track.id);
  };
  const update = (changed, smooth = true) => {
    const heard = audibleTracks(changed);
    set(context, master.gain, gainOf(changed.master.gain_db), smooth);
    for (const track of changed.tracks) {
      const { gain, pan } = strips.get(track.id) ?? strip(track);
      set(context, gain.gain, heard.has(track.id) ? gainOf(track.gain_db) : 0, smooth);
      set(context, pan.pan, track.pan, smooth);
    }
  };
  update(session, false);
  return { master, update, into: (track) => strips.get(track).gain, out: (track) => strips.get(track)?.pan };
}

function set(context, parameter, value, smooth) {
  if (!smooth) parameter.value = value;
  else parameter.setTargetAtTime(value, context.currentTime, SMOOTH_S / 3);
}

/** Starts a list of starts at `t0` of the context's clock; returns the source nodes. */
export function begin(context, mix, buffers, starts, t0) {
  return starts
    .filter(({ source }) => buffers.has(source))
    .map((start) => {
      const node = new AudioBufferSourceNode(context, { buffer: buffers.get(start.source) });
      const gain = gainOf(start.gain_db);
      const [[first, begins], ...bends] = start.ramps;
      // The value is given twice: an event may round to just behind the first sample.
      const level = new GainNode(context, { gain: begins * gain });
      level.gain.setValueAtTime(begins * gain, t0 + first / RATE_HZ);
      for (const [at, value] of bends) level.gain.linearRampToValueAtTime(value * gain, t0 + at / RATE_HZ);
      node.connect(level).connect(mix.into(start.track));
      node.start(t0 + start.when / RATE_HZ, start.offset / RATE_HZ, start.length / RATE_HZ);
      return node;
    });
}

/**
 * Mixes a session to two float channels, in pieces of bounded memory.
 *
 * Args: `onProgress` hears 0…1 after each piece; an aborted `signal` throws its reason.
 */
export async function mixDown(session, buffers, options = {}) {
  const { from = 0, until = endOf(session), piece = PIECE_SAMPLES, onProgress = () => {}, signal } = options;
  const channels = [new Float32Array(until - from), new Float32Array(until - from)];
  for (let at = from; at < until; at += piece) {
    signal?.throwIfAborted();
    const length = Math.min(piece, until - at);
    const rendered = await renderPiece(session, buffers, at, length);
    channels.forEach((channel, number) => channel.set(rendered.getChannelData(number), at - from));
    onProgress((at + length - from) / (until - from));
  }
  return channels;
}

function renderPiece(session, buffers, at, length) {
  const context = new OfflineAudioContext({ numberOfChannels: 2, length, sampleRate: RATE_HZ });
  const mix = mixer(context, session);
  begin(context, mix, buffers, startsOf(session, at, at + length), 0);
  return context.startRendering();
}
