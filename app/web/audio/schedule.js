// Says what sounds when: a list of starts from a session, without any audio object.

/** Returns the ids of the tracks that sound: not muted and, if any track is solo, solo. */
export function audibleTracks(session) {
  const anySolo = session.tracks.some((track) => track.solo);
  return new Set(session.tracks.filter((track) => !track.mute && (track.solo || !anySolo)).map(({ id }) => id));
}

/** Returns the end of the last clip, in samples. */
export const endOf = (session) =>
  Math.max(0, ...session.tracks.flatMap(({ clips }) => clips.map(({ at, length }) => at + length)));

/**
 * Returns one start per clip that is heard between two samples.
 *
 * `when` counts from `from`; `offset` and `length` are samples of the source; `ramps` are [sample from `from`, level
 * 0…1], between which the level moves in a straight line.
 */
export function startsOf(session, from, until) {
  return session.tracks.flatMap((track) =>
    track.clips
      .filter(({ at, length }) => at < until && at + length > from)
      .map((clip) => startOf(track, clip, from, until)),
  );
}

function startOf(track, clip, from, until) {
  const begin = Math.max(clip.at, from);
  const end = Math.min(clip.at + clip.length, until);
  return {
    track: track.id,
    clip: clip.id,
    source: clip.source,
    when: begin - from,
    offset: clip.offset + begin - clip.at,
    length: end - begin,
    gain_db: clip.gain_db,
    ramps: rampsOf(clip, begin, end).map(([at, level]) => [at - from, level]),
  };
}

function rampsOf(clip, begin, end) {
  const bends = [clip.at + clip.fade_in, clip.at + clip.length - clip.fade_out];
  const places = [begin, ...bends.filter((at) => at > begin && at < end), end].sort((one, other) => one - other);
  return places.map((at) => [at, levelAt(clip, at - clip.at)]);
}

/** Returns the level of the fades at a sample of the clip; where they cross, the lower one counts. */
function levelAt(clip, place) {
  const rising = clip.fade_in ? Math.min(1, place / clip.fade_in) : 1;
  const falling = clip.fade_out ? Math.min(1, (clip.length - place) / clip.fade_out) : 1;
  return Math.max(0, Math.min(rising, falling));
}

/** Returns the repetitions of a loop that begin before `until`: {at, from} in samples since the start. */
export function turnsOf(loop, from, until) {
  if (!loop.on || loop.end <= loop.start || from >= loop.end) return [{ at: 0, from, length: Infinity }];
  const turns = [{ at: 0, from, length: loop.end - from }];
  while (turns.at(-1).at + turns.at(-1).length < until) {
    turns.push({ at: turns.at(-1).at + turns.at(-1).length, from: loop.start, length: loop.end - loop.start });
  }
  return turns;
}

/** Returns the sample of the session that sounds so many samples after a start at `from`. */
export function placeAfter(loop, from, elapsed) {
  if (!loop.on || loop.end <= loop.start || from >= loop.end) return from + elapsed;
  const first = loop.end - from;
  return elapsed < first ? from + elapsed : loop.start + ((elapsed - first) % (loop.end - loop.start));
}
