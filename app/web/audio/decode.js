// Turns files into samples at 48 kHz, at most two at a time.
import { RATE_HZ } from "./units.js";

const AT_ONCE = 2;

/** Makes a function from bytes to an AudioBuffer at 48 kHz; further calls wait in line. */
export function decoder() {
  let running = 0;
  const waiting = [];
  const next = () => {
    if (running >= AT_ONCE || !waiting.length) return;
    running += 1;
    const { bytes, resolve, reject } = waiting.shift();
    // An offline context decodes without opening a sound device, and resamples to its own rate.
    const context = new OfflineAudioContext({ numberOfChannels: 2, length: 1, sampleRate: RATE_HZ });
    context
      .decodeAudioData(bytes)
      .then(resolve, reject)
      .finally(() => {
        running -= 1;
        next();
      });
  };
  return (bytes) =>
    new Promise((resolve, reject) => {
      waiting.push({ bytes, resolve, reject });
      next();
    });
}

/** Returns the samples of a buffer, one array per channel. */
export const channelsOf = (buffer) =>
  Array.from({ length: buffer.numberOfChannels }, (_, channel) => buffer.getChannelData(channel));
