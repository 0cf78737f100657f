"""Mixing in the browser against sums made here."""

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import soundfile
from playwright.async_api import Page

from tests.browser import call

pytestmark = pytest.mark.browser

RATE_HZ = 48_000
SECONDS = 2
# Sources are tones made in the browser; the answer is a float WAV of the mix.
MIX = """(async () => {
  const { encodeWav } = await import("/web/audio/wav.js");
  const tone = (hertz) => {
    const buffer = new AudioBuffer({ length: 96000, numberOfChannels: 1, sampleRate: 48000 });
    const turn = 2 * Math.PI * hertz / 48000;
    buffer.getChannelData(0).forEach((_, at, all) => { all[at] = Math.sin(turn * at); });
    return buffer;
  };
  const buffers = new Map(Object.entries(given.tones).map(([id, hertz]) => [id, tone(hertz)]));
  const channels = await m.mixDown(given.session, buffers, given.options);
  const bytes = new Uint8Array(encodeWav(channels, 48000, given.bits ?? 32));
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
})()"""
TONES = {"a": 440, "b": 1000}


def clip(source: str, at: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{source}{at}",
        "source": source,
        "takes": [source],
        "at": at,
        "offset": 0,
        "length": RATE_HZ * SECONDS,
        "gain_db": 0,
        "fade_in": 0,
        "fade_out": 0,
        **changes,
    }


def track(*clips: dict[str, Any], gain: float = 1.0, **changes: Any) -> dict[str, Any]:
    strip = {"gain_db": 20 * math.log10(gain), "pan": 0, "mute": False, "solo": False}
    return {"id": clips[0]["id"], "clips": clips, **strip, **changes}


def session(*tracks: dict[str, Any]) -> dict[str, Any]:
    return {"tracks": list(tracks), "master": {"gain_db": 0}, "loop": {"on": False, "start": 0, "end": 0}}


def expected(song: dict[str, Any]) -> np.ndarray:
    """Sum the session sample by sample, (samples, 2)."""
    parts = [(strip, part) for strip in song["tracks"] for part in strip["clips"]]
    out = np.zeros((max(part["at"] + part["length"] for _, part in parts), 2))
    solo = any(strip["solo"] for strip, _ in parts)
    for strip, part in parts:
        if strip["mute"] or (solo and not strip["solo"]):
            continue
        place = np.arange(part["length"])
        wave = np.sin(2 * np.pi * TONES[part["source"]] * (place + part["offset"]) / RATE_HZ)
        wave[place + part["offset"] >= RATE_HZ * SECONDS] = 0
        level = np.ones(part["length"])
        if part["fade_in"]:
            level = np.minimum(level, place / part["fade_in"])
        if part["fade_out"]:
            level = np.minimum(level, (part["length"] - place) / part["fade_out"])
        gain = 10 ** ((strip["gain_db"] + part["gain_db"]) / 20)
        left, right = pan_of(strip["pan"])
        out[part["at"] : part["at"] + part["length"]] += (gain * level * wave)[:, None] * [left, right]
    return out


def pan_of(pan: float) -> tuple[float, float]:
    """Levels of equal channels behind a stereo panner.

    Source: the Web Audio standard, stereo input: the far channel is folded into the near one.
    """
    turn = (pan + 1 if pan <= 0 else pan) * math.pi / 2
    if pan <= 0:
        return 1 + math.cos(turn), math.sin(turn)
    return math.cos(turn), 1 + math.sin(turn)


async def mixed(page: Page, song: dict[str, Any], bits: int = 32, **options: Any) -> bytes:
    given = {"session": song, "tones": TONES, "bits": bits, "options": options}
    return base64.b64decode(await call(page, "audio/render.js", MIX, given))


def samples(wav: bytes) -> np.ndarray:
    return soundfile.read(io.BytesIO(wav), dtype="float64", always_2d=True)[0]


TWO = session(track(clip("a", 12_345), gain=0.5), track(clip("b", 54_321), gain=0.25))


async def test_two_tones_are_summed_to_the_sample(bare: Page) -> None:
    got = samples(await mixed(bare, TWO))
    assert got.shape == expected(TWO).shape
    assert np.abs(got - expected(TWO)).max() <= 1e-6
    assert not got[:12_345].any()


async def test_random_sessions_are_summed_as_here(bare: Page) -> None:
    random = np.random.default_rng(7)
    for _ in range(20):
        strips = []
        for source in ("a", "b"):
            offset, length = int(random.integers(0, 20_000)), int(random.integers(1000, 60_000))
            fades = {
                "fade_in": int(random.integers(0, length // 2)),
                "fade_out": int(random.integers(0, length // 2)),
            }
            part = clip(source, int(random.integers(0, 50_000)), offset=offset, length=length, **fades)
            strips.append(
                track(part, gain=float(random.uniform(0.1, 1)), pan=float(random.choice([-1, 0, 1])))
            )
        song = session(*strips)
        assert np.abs(samples(await mixed(bare, song)) - expected(song)).max() <= 2e-6


@pytest.mark.parametrize("changes", [{"mute": True}, {"pan": -1}, {"mute": True, "solo": True}])
async def test_silence_is_silent(bare: Page, changes: dict[str, Any]) -> None:
    song = session(track(clip("a", 100), **changes))
    got = samples(await mixed(bare, song))
    silent = got[:, 1] if "pan" in changes else got
    assert np.abs(silent).max() <= 1e-6
    assert ("pan" not in changes) or np.abs(got[:, 0]).max() > 0.5


async def test_solo_silences_the_other_tracks(bare: Page) -> None:
    song = session(track(clip("a", 0)), track(clip("b", 0), solo=True))
    assert np.abs(samples(await mixed(bare, song)) - expected(song)).max() <= 1e-6


async def test_pieces_make_the_whole(bare: Page) -> None:
    whole, pieces = await mixed(bare, TWO), await mixed(bare, TWO, piece=30_007)
    assert np.abs(samples(whole) - samples(pieces)).max() <= 1e-6


async def test_two_exports_of_16_bit_are_equal_bytes(bare: Page) -> None:
    first, second = await mixed(bare, TWO, bits=16), await mixed(bare, TWO, bits=16)
    assert first == second
    assert np.abs(samples(first) - expected(TWO)).max() <= 2 / 2**15


async def test_live_planning_puts_loops_on_the_sample(bare: Page) -> None:
    plan = """(async () => {
      const { mixer } = await import("/web/audio/render.js");
      const click = new AudioBuffer({ length: 4800, numberOfChannels: 1, sampleRate: 48000 });
      click.getChannelData(0)[0] = 1;
      const found = [];
      for (const from of [0, 1234, 4801]) {
        const context = new OfflineAudioContext({ numberOfChannels: 2, length: 60000, sampleRate: 48000 });
        const run = { t0: 100 / 48000, from, planned: 0, nodes: [] };
        m.planAhead(context, mixer(context, given), new Map([["a", click]]), given, run, 0.3);
        m.planAhead(context, mixer(context, given), new Map([["a", click]]), given, run, 1.1);
        const heard = (await context.startRendering()).getChannelData(0);
        found.push([...heard.keys()].filter((at) => heard[at] > 0.5).slice(0, 4));
      }
      return found;
    })()"""
    song = session(track(clip("a", 6000, length=4800))) | {"loop": {"on": True, "start": 2000, "end": 12_000}}
    first = [6000, 6000 - 1234, 6000 - 4801]
    expected_clicks = [[100 + at + turn * 10_000 for turn in range(4)] for at in first]
    assert await call(bare, "audio/transport.js", plan, song) == expected_clicks


async def test_a_click_keeps_its_place_through_every_format(bare: Page) -> None:
    """The service writes these four with libsndfile; what a browser decodes must start where it did."""
    for kind, subtype in (("wav", "PCM_24"), ("flac", "PCM_16"), ("ogg", "OPUS"), ("mp3", "MPEG_LAYER_III")):
        wave = np.zeros((RATE_HZ, 2), dtype="float32")
        wave[12_000] = 0.9
        file = io.BytesIO()
        soundfile.write(file, wave, RATE_HZ, format=kind.upper(), subtype=subtype)
        script = """(async () => {
          const bytes = Uint8Array.from(atob(given), (letter) => letter.charCodeAt(0));
          const data = (await m.decoder()(bytes.buffer)).getChannelData(0).map(Math.abs);
          return data.indexOf(Math.max(...data.slice(0, 48000)));
        })()"""
        place = await call(bare, "audio/decode.js", script, base64.b64encode(file.getvalue()).decode())
        assert abs(place - 12_000) <= 1, kind
