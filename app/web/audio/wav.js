// Writes WAV files: 32-bit float, 24 bit, or 16 bit with the same dither each time.

const HEADER_BYTES = 44;
const DITHER_SEED = 0x5eed;

/** Returns the bytes of a WAV file; `bits` is 32, 24 or 16. */
export function encodeWav(channels, rateHz, bits = 32) {
  const frames = channels[0].length;
  const frameBytes = (channels.length * bits) / 8;
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + frames * frameBytes));
  writeHeader(view, { channels: channels.length, rateHz, bits, bytes: frames * frameBytes });
  writeSamples(view, channels, bits);
  return view.buffer;
}

function writeHeader(view, { channels, rateHz, bits, bytes }) {
  const text = (at, word) => [...word].forEach((letter, place) => view.setUint8(at + place, letter.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, bits === 32 ? 3 : 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, (rateHz * channels * bits) / 8, true);
  view.setUint16(32, (channels * bits) / 8, true);
  view.setUint16(34, bits, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
}

function writeSamples(view, channels, bits) {
  const write = { 32: writeFloat, 24: write24, 16: write16(dither(DITHER_SEED)) }[bits];
  const bytes = bits / 8;
  let at = HEADER_BYTES;
  for (let frame = 0; frame < channels[0].length; frame++) {
    for (const channel of channels) {
      write(view, at, channel[frame]);
      at += bytes;
    }
  }
}

const writeFloat = (view, at, value) => view.setFloat32(at, value, true);

function write24(view, at, value) {
  const whole = within(Math.round(value * 0x800000), 0x800000);
  view.setUint16(at, whole & 0xffff, true);
  view.setInt8(at + 2, whole >> 16);
}

const write16 = (noise) => (view, at, value) =>
  view.setInt16(at, within(Math.round(value * 0x8000 + noise()), 0x8000), true);

const within = (whole, limit) => Math.max(-limit, Math.min(limit - 1, whole));

/** Returns a source of triangular noise of one step, from a linear congruential generator (Numerical Recipes). */
function dither(seed) {
  let state = seed;
  const next = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return () => next() - next();
}

/** Returns the highest absolute value. */
export function peakOf(channels) {
  let highest = 0;
  for (const channel of channels) {
    for (let place = 0; place < channel.length; place++) {
      const value = Math.abs(channel[place]);
      if (value > highest) highest = value;
    }
  }
  return highest;
}
