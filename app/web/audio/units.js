// Samples, seconds, decibels, bars: every position in a session is a whole sample at 48 kHz.

export const RATE_HZ = 48000;

export const toSamples = (seconds) => Math.round(seconds * RATE_HZ);

export const toSeconds = (samples) => samples / RATE_HZ;

/** Returns the factor of a level in decibels. */
export const gainOf = (db) => 10 ** (db / 20);

/** Returns the level of a factor in decibels; silence is -Infinity. */
export const decibels = (gain) => 20 * Math.log10(gain);

/** Returns the samples of one beat. */
export const beatSamples = (tempo) => (60 * RATE_HZ) / tempo.bpm;

/** Returns bar and beat of a position, both from 1. */
export function barAndBeat(at, tempo) {
  const beats = Math.floor((at - tempo.offset) / beatSamples(tempo) + 1e-6);
  const bar = Math.floor(beats / tempo.beats);
  return { bar: bar + 1, beat: beats - bar * tempo.beats + 1 };
}
