// Samples, seconds, decibels, bars: every position in a session is a whole sample at 48 kHz.

export const RATE_HZ = 48000;

export const toSamples = (seconds) => Math.round(seconds * RATE_HZ);

export const toSeconds = (samples) => samples / RATE_HZ;

/** Returns the factor of a level in decibels. */
export const gainOf = (db) => 10 ** (db / 20);

/** Returns the level of a factor in decibels; silence is -Infinity. */
export const decibels = (gain) => 20 * Math.log10(gain);

/** Writes seconds as 1:05.340, or 1:05 without decimals. */
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const whole = Math.round(Math.abs(seconds) * unit);
  const minutes = Math.floor(whole / (60 * unit));
  const rest = ((whole % (60 * unit)) / unit).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return `${seconds < 0 && whole ? "-" : ""}${minutes}:${rest}`;
}

/** Reads `90`, `90.5`, `1:30` or `-0:05`; null when it is none of them. */
export function readTime(text) {
  const match = /^\s*(-?)(?:(\d+):)?(\d+(?:[.,]\d*)?)\s*s?\s*$/.exec(text);
  if (!match) return null;
  const seconds = Number(match[2] ?? 0) * 60 + Number(match[3].replace(",", "."));
  return match[1] ? -seconds : seconds;
}

/** Returns the samples of one beat. */
export const beatSamples = (tempo) => (60 * RATE_HZ) / tempo.bpm;

/** Returns bar and beat of a position, both from 1. */
export function barAndBeat(at, tempo) {
  const beats = Math.floor((at - tempo.offset) / beatSamples(tempo) + 1e-6);
  const bar = Math.floor(beats / tempo.beats);
  return { bar: bar + 1, beat: beats - bar * tempo.beats + 1 };
}
