// Moves a position to the nearest line of a grid.
import { RATE_HZ, beatSamples } from "./units.js";

export const SNAPS = ["off", "tenth", "beat", "bar", "frame"];

/** Returns the distance of two lines in samples, not rounded; 1 when the grid is off. */
export function stepOf(mode, tempo) {
  switch (mode) {
    case "tenth":
      return RATE_HZ / 10;
    case "beat":
      return beatSamples(tempo);
    case "bar":
      return beatSamples(tempo) * tempo.beats;
    case "frame":
      return RATE_HZ / 25;
    default:
      return 1;
  }
}

/** Returns the whole sample of the nearest line; beats and bars are counted from the tempo's offset. */
export function snap(at, mode, tempo) {
  const origin = mode === "beat" || mode === "bar" ? tempo.offset : 0;
  const step = stepOf(mode, tempo);
  return Math.round(origin + Math.round((at - origin) / step) * step);
}
