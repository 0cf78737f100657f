"""Music to look at: short synthetic stems with the shape of real ones, and a session of six tracks."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import soundfile

RATE_HZ = 48_000
BEAT_S = 0.5
STEMS = ("Drums", "Bass", "Keys", "Strings", "Lead", "Voice")


def stem(name: str, seconds: float = 16.0) -> np.ndarray:
    """Return mono samples whose outline differs by instrument."""
    at = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    number = STEMS.index(name)
    noise = np.random.default_rng(number).standard_normal(at.size)
    in_beat = at % BEAT_S
    in_phrase = (at % 4) / 4
    shapes = {
        "Drums": np.exp(-in_beat * 14) * noise * 0.5,
        "Bass": np.exp(-in_beat * 5) * np.sin(2 * np.pi * 55 * at) * 0.8,
        "Keys": np.exp(-(at % 1.0) * 2.5) * np.sin(2 * np.pi * 330 * at) * 0.6,
        "Strings": np.sin(np.pi * in_phrase) * (np.sin(2 * np.pi * 220 * at) + 0.2 * noise) * 0.5,
        "Lead": (np.sin(2 * np.pi * 0.37 * at) > -0.2)
        * np.exp(-(at % 0.75) * 3)
        * np.sin(2 * np.pi * 523 * at)
        * 0.7,
        "Voice": np.abs(np.sin(2 * np.pi * 0.9 * at)) ** 2
        * (np.sin(2 * np.pi * 0.11 * at) > 0)
        * noise
        * 0.35,
    }
    return np.asarray(shapes[name], dtype="float32")


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.stack([samples, samples], axis=1), RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def mix() -> bytes:
    return wav(sum((stem(name) for name in STEMS), np.zeros(16 * RATE_HZ, dtype="float32")) / 3)


def song() -> bytes:
    """Return a session of six tracks as Studio exports it."""
    length = 16 * RATE_HZ
    sources = [
        {
            "id": name,
            "name": name,
            "format": "wav",
            "samples": length,
            "origin": "file",
            "path": None,
            "seed": None,
        }
        for name in STEMS
    ]
    tracks = [a_track(number, name, length) for number, name in enumerate(STEMS)]
    session = {
        "format": "acestep-studio-session",
        "version": 1,
        "id": "showcase",
        "name": "Rainy evening",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "sample_rate": RATE_HZ,
        "tempo": {"bpm": 120, "beats": 4, "offset": 0},
        "sources": sources,
        "tracks": tracks,
        "master": {"gain_db": -3},
        "loop": {"on": True, "start": 8 * RATE_HZ, "end": 16 * RATE_HZ},
        "form": {
            "task": "text2music",
            "touched": {"prompt": "warm lo-fi hip hop, soft piano, rainy evening"},
        },
        "jobs": [],
        "view": {"snap": "bar", "zoom": 40},
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("session.json", json.dumps(session))
        for name in STEMS:
            archive.writestr(f"audio/{name}.wav", wav(stem(name)))
    return file.getvalue()


def a_track(number: int, name: str, length: int) -> dict[str, Any]:
    begins = (0, 0, 4, 8, 8, 12)[number] * RATE_HZ
    fades = {"fade_in": RATE_HZ if name == "Strings" else 0, "fade_out": RATE_HZ}
    clip = {
        "id": f"c{number}",
        "source": name,
        "takes": [name],
        "at": begins,
        "offset": 0,
        "length": length,
        "gain_db": 0,
    }
    return {
        "id": f"t{number}",
        "name": name,
        "color": number,
        "gain_db": -2.0 * number,
        "pan": (0, 0, -0.4, 0.4, 0.2, 0)[number],
        "mute": name == "Lead",
        "solo": False,
        "clips": [{**clip, **fades}],
    }
