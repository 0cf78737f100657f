// Lowest and highest values of a recording at several zooms, small enough to keep.

export const BUCKET = 256;
const ZOOM = 4;

/** Makes levels of {bucket, low, high} from float channels; int8, so that 127 is full scale. */
export function buildPeaks(channels) {
  const levels = [firstLevel(channels)];
  while (levels.at(-1).low.length > 512) levels.push(coarser(levels.at(-1)));
  return { samples: channels[0].length, levels };
}

function firstLevel(channels) {
  const count = Math.ceil(channels[0].length / BUCKET);
  const low = new Int8Array(count);
  const high = new Int8Array(count);
  for (let bucket = 0; bucket < count; bucket++) {
    let [least, most] = [1, -1];
    for (const channel of channels) {
      const end = Math.min(channel.length, (bucket + 1) * BUCKET);
      for (let place = bucket * BUCKET; place < end; place++) {
        const value = channel[place];
        if (value < least) least = value;
        if (value > most) most = value;
      }
    }
    low[bucket] = asInt8(least);
    high[bucket] = asInt8(most);
  }
  return { bucket: BUCKET, low, high };
}

const asInt8 = (value) => Math.round(Math.max(-1, Math.min(1, value)) * 127);

function coarser({ bucket, low, high }) {
  const count = Math.ceil(low.length / ZOOM);
  const level = { bucket: bucket * ZOOM, low: new Int8Array(count), high: new Int8Array(count) };
  for (let place = 0; place < count; place++) {
    const end = Math.min(low.length, (place + 1) * ZOOM);
    level.low[place] = Math.min(...low.subarray(place * ZOOM, end));
    level.high[place] = Math.max(...high.subarray(place * ZOOM, end));
  }
  return level;
}

/** Returns one [low, high] in -1…1 for each of `count` columns between two samples. */
export function columns(peaks, from, until, count) {
  const width = (until - from) / count;
  const level = peaks.levels.findLast(({ bucket }) => bucket <= width) ?? peaks.levels[0];
  return Array.from({ length: count }, (_, column) => {
    const first = Math.max(0, Math.floor((from + column * width) / level.bucket));
    const last = Math.min(level.low.length, Math.ceil((from + (column + 1) * width) / level.bucket));
    if (first >= last) return [0, 0];
    return [
      Math.min(...level.low.subarray(first, last)) / 127,
      Math.max(...level.high.subarray(first, last)) / 127,
    ];
  });
}
