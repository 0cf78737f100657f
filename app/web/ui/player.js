// One player for everything that is listened to: a new start stops the one before.

const TICK_S = 0.05;

/**
 * Makes the player.
 *
 * Args: `load` gives the Blob of a clip. Listeners hear {clip, playing, at, length, loop, region, volume, rate}.
 */
export function createPlayer({ load, volume = 1 }) {
  const audio = new Audio();
  audio.volume = volume;
  const listeners = new Set();
  const state = { clip: null, url: null, loop: false, region: null, frame: 0, last: -1 };

  const view = () => ({
    clip: state.clip, playing: !audio.paused, at: audio.currentTime, length: audio.duration || 0,
    loop: state.loop, region: state.region, volume: audio.volume, rate: audio.playbackRate,
  });
  const tell = () => listeners.forEach((listener) => listener(view()));
  const watch = () => {
    cancelAnimationFrame(state.frame);
    keepInRegion(audio, state);
    if (Math.abs(audio.currentTime - state.last) >= TICK_S) {
      state.last = audio.currentTime;
      tell();
    }
    if (!audio.paused) state.frame = requestAnimationFrame(watch);
  };
  for (const event of ["play", "pause", "seeked", "durationchange", "volumechange", "ratechange"]) {
    audio.addEventListener(event, tell);
  }
  audio.addEventListener("play", watch);
  audio.addEventListener("ended", tell);

  return {
    view,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open: (clip) => openClip(audio, state, clip, load),
    async play(clip, at = null) {
      const { rate } = { rate: audio.playbackRate };
      if (clip && clip.id !== state.clip?.id) await openClip(audio, state, clip, load);
      audio.playbackRate = rate;
      if (at !== null) audio.currentTime = at;
      await audio.play().catch(ignoreInterrupted);
    },
    pause: () => audio.pause(),
    seek: (at) => {
      audio.currentTime = Math.max(0, Math.min(at, audio.duration || 0));
      tell();
    },
    setLoop: (loop) => {
      state.loop = loop;
      audio.loop = loop && !state.region;
      tell();
    },
    setRegion: (region) => {
      state.region = region;
      audio.loop = state.loop && !region;
      tell();
    },
    setVolume: (value) => (audio.volume = value),
    setRate: (value) => (audio.playbackRate = value),
    close: () => close(audio, state, tell),
  };
}

async function openClip(audio, state, clip, load) {
  const blob = await load(clip);
  if (state.url) URL.revokeObjectURL(state.url);
  Object.assign(state, { clip, url: URL.createObjectURL(blob), region: null, last: -1 });
  audio.loop = state.loop;
  audio.src = state.url;
  await new Promise((resolve, reject) => {
    audio.addEventListener("loadedmetadata", resolve, { once: true });
    audio.addEventListener("error", () => reject(audio.error), { once: true });
  });
}

function keepInRegion(audio, { region, loop }) {
  if (!region || audio.paused || audio.currentTime < region.end) return;
  if (loop) audio.currentTime = region.start;
  else audio.pause();
}

/** A start that another start or a pause overtook is no fault. */
function ignoreInterrupted(error) {
  if (error.name !== "AbortError") throw error;
}

function close(audio, state, tell) {
  audio.pause();
  audio.removeAttribute("src");
  if (state.url) URL.revokeObjectURL(state.url);
  Object.assign(state, { clip: null, url: null, region: null });
  tell();
}
