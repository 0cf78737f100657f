"""Input formats of the optional decoder: T17 again, odd files, and how the service learns who has it."""

import asyncio
import random
import struct
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from app.domain.errors import ValidationError
from app.domain.probe import MIME_TYPES, probe
from app.services.models import CACHE_S
from app.storage.folder import FolderStore
from inference.audio import kinds
from inference.audio.answer import Decoded, Refusal, Refused
from tests.audio import a_tone
from tests.builders import a_stored_input
from tests.integration.workers.conftest import Measured
from tests.processes import a_service
from workers.failure import TaskFailed
from workers.inputs import Inputs

pytest.importorskip("av", reason="PyAV is not installed (the extra `media`)")

from inference.audio.decode import decode as decode_here
from tests.media import FILES, write_media

pytestmark = pytest.mark.inference

Decode = Callable[..., Measured]
FRAME_S = {"alac": 0.0, "flac in mp4": 0.0, "oga": 0.0, "webm": 0.0, "webm of a browser": 0.0}
"""By how much a codec may lengthen a file; the others are AAC, with a frame at either end."""

AAC_FRAMES_S = 2 * 1024 / 44_100


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


def told(path: Path) -> tuple[float | None, float | str]:
    """What a client learns of a file: the length by its header, and the decoded one or a refusal."""
    with path.open("rb") as file:
        try:
            claim = probe(file, max_seconds=600, kinds=tuple(MIME_TYPES))
        except ValidationError as error:
            return None, error.message
    answer = decode_here(
        path, path.with_suffix(".target"), kind=claim.kind, start=claim.start, max_seconds=600
    )
    return claim.duration_s, answer.seconds if isinstance(answer, Decoded) else str(answer.reason)


@pytest.mark.parametrize("name", FILES)
def test_t17_every_format_keeps_its_length_and_its_sound(tmp_path: Path, name: str) -> None:
    rate_hz = 48_000 if "webm" in name else 44_100
    tone = a_tone(2.5, rate_hz=rate_hz)
    tone[:, : rate_hz // 2] = 0.0
    claimed_s, seconds = told(write_media(tmp_path / "x", tone, name, rate_hz=rate_hz))
    assert seconds == pytest.approx(2.5, abs=FRAME_S.get(name, AAC_FRAMES_S) + 1e-4)
    assert claimed_s is None or claimed_s == pytest.approx(seconds, abs=AAC_FRAMES_S)
    samples, _ = soundfile.read(tmp_path / "x.target", dtype="float32")
    onset_s = float(np.argmax(np.abs(samples[:, 0]) > 0.1)) / 48_000
    tells_no_delay = name in ("aac", "m4a in fragments")
    assert onset_s == pytest.approx(0.5, abs=0.03 if tells_no_delay else 0.005)
    assert float(np.sqrt((samples[48_000:] ** 2).mean())) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize(("channels", "rate_hz"), [(1, 22_050), (6, 48_000)])
def test_t17_other_channels_and_rates(tmp_path: Path, channels: int, rate_hz: int) -> None:
    tone = a_tone(1.0, rate_hz=rate_hz, channels=channels)
    _, seconds = told(write_media(tmp_path / "x", tone, "alac", rate_hz=rate_hz))
    assert seconds == 1.0
    samples, _ = soundfile.read(tmp_path / "x.target", dtype="float32")
    assert np.array_equal(samples[:, 0], samples[:, 1])
    if rate_hz == 48_000:
        assert np.allclose(samples[:, 0], tone.mean(axis=0), atol=1e-4)


@pytest.mark.parametrize("name", ["m4a, index first", "aac", "webm", "oga"])
def test_a_torn_or_scratched_file_gives_what_is_there(tmp_path: Path, name: str) -> None:
    path = write_media(tmp_path / "x", a_tone(3.0), name)
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle])
    _, seconds = told(path)
    assert isinstance(seconds, float)
    assert 0.9 < seconds < 2.0
    path.write_bytes(content[:middle] + random.Random(1).randbytes(200) + content[middle + 200 :])
    _, seconds = told(path)
    assert isinstance(seconds, float)
    assert 1.4 < seconds <= 3.05
    path.write_bytes(content + b"TAG" + bytes(125))
    _, seconds = told(path)
    assert seconds == pytest.approx(3.0, abs=0.05)


def test_what_is_no_audio_is_refused(tmp_path: Path) -> None:
    whole = write_media(tmp_path / "x", a_tone(2.0), "m4a, index first").read_bytes()
    noise = bytearray(whole)
    start = whole.index(b"mdat") + 4
    noise[start:] = random.Random(2).randbytes(len(whole) - start)
    (tmp_path / "noise").write_bytes(noise)
    (tmp_path / "film").write_bytes(whole.replace(b"mp4a", b"avc1"))
    (tmp_path / "empty").write_bytes(whole[:start])
    assert [told(tmp_path / name)[1] for name in ("noise", "film", "empty")] == [
        "broken",
        "broken audio header: no AAC, ALAC, Opus, FLAC or MP3 in the MP4 file",
        "empty",
    ]


def test_a_bomb_costs_little_memory_and_time(decode: Decode, tmp_path: Path) -> None:
    """Twelve minutes of silence, whose header tells the truth that the probe would have refused."""
    bomb = write_media(tmp_path / "bomb", np.zeros((2, 12 * 60 * 48_000), dtype=np.float32), "alac")
    measured = decode(bomb, kind="m4a")
    if measured.cpu_s > 2.0:  # a loaded machine charges up to half as much again for the same work
        measured = min((decode(bomb, kind="m4a") for _ in range(3)), key=lambda run: run.cpu_s)
    assert measured.answer == Refused(Refusal.TOO_LONG)
    assert measured.grown_bytes < 64 * 1024**2
    assert measured.cpu_s <= 2.0


async def test_a_picture_is_taken_into_memory_within_the_limits(
    decode: Decode, store: FolderStore, tmp_path: Path
) -> None:
    """Of FFmpeg: one of 5 MB passes, and one of 80 MB ends the process, which is a broken file."""
    path = with_picture(write_media(tmp_path / "x", a_tone(1.0)), 5_000_000)
    measured = decode(path, kind="m4a")
    assert isinstance(measured.answer, Decoded)
    assert measured.grown_bytes < 64 * 1024**2
    entry = await a_stored_input(store, with_picture(write_media(tmp_path / "y", a_tone(1.0)), 80_000_000))
    with pytest.raises(TaskFailed, match="the source audio cannot be decoded"):
        await Inputs(store, max_seconds=600).prepare([entry], tmp_path)


def with_picture(path: Path, size: int) -> Path:
    """Put a picture into the tags of an MP4 file whose index comes last."""

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(content), name) + content

    picture = box(b"covr", box(b"data", struct.pack(">II", 13, 0) + bytes(size)))
    tags = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9)) + box(b"ilst", picture)
    extra = box(b"udta", box(b"meta", bytes(4) + tags))
    content = path.read_bytes()
    at = content.rindex(b"moov") - 4
    (length,) = struct.unpack_from(">I", content, at)
    assert at + length == len(content)
    path.write_bytes(content[:at] + struct.pack(">I", length + len(extra)) + content[at + 4 :] + extra)
    return path


async def test_a_worker_without_the_decoder_leaves_the_task_to_another_attempt(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = await a_stored_input(store, write_media(tmp_path / "x", a_tone(1.0)))
    assert set(await Inputs(store, max_seconds=600).prepare([entry], tmp_path)) == {"source"}
    monkeypatch.setattr(kinds, "find_spec", lambda name: None)
    with pytest.raises(TaskFailed, match="the audio format m4a is not supported") as failed:
        await Inputs(store, max_seconds=600).prepare([entry], tmp_path)
    assert (failed.value.code, failed.value.retryable) == ("input_unavailable", True)


async def test_a_cover_of_an_m4a_is_taken_as_soon_as_a_worker_can_decode_it(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    song = write_media(tmp_path / "song.mp3", a_tone(2.2)).read_bytes()
    fields = {"task_type": "cover", "audio_format": "wav", "batch_size": "1"}
    async with a_service(tmp_path / "s", database_url=database_url, redis_url=redis_url) as service:
        await service.start("api")
        async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
            early = await client.post("/release_task", data=fields, files={"src_audio": song})
            await service.start("worker")
            await asyncio.sleep(CACHE_S)
            late = await client.post("/release_task", data=fields, files={"src_audio": song})
        text = "source audio: the audio format m4a is not supported; send wav, flac, mp3 or ogg"
        assert (early.status_code, early.json()["error"]) == (400, text)
        assert late.status_code == 200, late.text
        result = await service.finished(late.json()["data"]["task_id"])
        assert result.status == 1, result.error
        assert result.items[0]["metas"]["duration"] == pytest.approx(2.2, abs=0.05)
