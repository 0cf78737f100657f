"""Inputs from a real store through the real decode process."""

import asyncio
import hashlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from app.domain.errors import StorageUnavailableError
from app.storage.folder import FolderStore
from inference.audio.kinds import decodable_kinds
from tests.audio import a_tone, write_audio
from tests.builders import a_stored_input
from workers.failure import TaskFailed
from workers.inputs import Inputs

pytestmark = pytest.mark.inference


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "objects")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def object_of(tmp_path: Path, entry: dict[str, Any]) -> Path:
    return tmp_path / "objects" / str(entry["storage_key"])


def decoders_of(scratch: Path) -> Iterator[int]:
    """Pids of decode processes that work in this folder."""
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and str(scratch) in (process / "cmdline").read_text():
                yield int(process.name)
        except (FileNotFoundError, ProcessLookupError):
            continue


async def a_decoder(scratch: Path) -> int:
    for _ in range(2000):
        if (pid := next(decoders_of(scratch), None)) is not None:
            return pid
        await asyncio.sleep(0.01)
    raise AssertionError("no decode process after 20 s")


async def an_endless_input(store: FolderStore, tmp_path: Path) -> dict[str, Any]:
    """Store a file whose decoding takes seconds."""
    second = np.zeros((192_000, 8), dtype=np.float32)
    path = tmp_path / "long"
    with soundfile.SoundFile(path, "w", 192_000, 8, format="FLAC", subtype="PCM_16") as file:
        for _ in range(300):
            file.write(second)
    return await a_stored_input(store, path)


async def test_both_roles_arrive_normalised_and_the_originals_are_removed(
    store: FolderStore, scratch: Path, tmp_path: Path
) -> None:
    files = {
        "source": write_audio(tmp_path / "s", a_tone(1.0), kind="flac"),
        "reference": write_audio(tmp_path / "r", a_tone(0.5, channels=1), kind="wav"),
    }
    entries = [await a_stored_input(store, path, role=role) for role, path in files.items()]
    ready = await Inputs(store, max_seconds=600).prepare(entries, scratch)
    assert {role: soundfile.info(audio.path).frames for role, audio in ready.items()} == {
        "source": 48_000,
        "reference": 24_000,
    }
    for role, path in files.items():
        assert ready[role].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(scratch.iterdir())) == 2


async def test_an_input_that_cannot_be_used_fails_the_task_with_a_reason(
    store: FolderStore, scratch: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter").write_text("not a song")
    letter = await a_stored_input(store, tmp_path / "letter")
    long = await a_stored_input(store, write_audio(tmp_path / "long", a_tone(3.0)))
    gone = await a_stored_input(store, write_audio(tmp_path / "gone", a_tone(1.0)))
    object_of(tmp_path, gone).unlink()
    damaged = await a_stored_input(store, write_audio(tmp_path / "damaged", a_tone(1.1)), role="reference")
    object_of(tmp_path, damaged).write_bytes(bytes(damaged["bytes"]))
    told = []
    *others, last = decodable_kinds()
    known = f"{', '.join(others)} or {last}"
    for entry in (letter, long, gone, damaged):
        with pytest.raises(TaskFailed) as failed:
            await Inputs(store, max_seconds=2).prepare([entry], scratch)
        assert (failed.value.code, failed.value.retryable) == ("input_unavailable", False)
        told.append(failed.value.message)
    assert told == [
        f"the source audio cannot be used: this type of file is not supported; send {known}",
        "the source audio cannot be used: audio is longer than 2 seconds",
        "the source audio is no longer stored",
        "the reference audio is damaged in the store",
    ]


class AwayOnce(FolderStore):
    """A store that goes away in the middle of the first reading."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.readings = 0

    async def open_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream, or fail after the first bytes."""
        self.readings += 1
        async for chunk in super().open_range(key, start, end if self.readings > 1 else 1000):
            yield chunk
        if self.readings == 1:
            raise StorageUnavailableError


async def test_a_store_that_was_away_is_read_again_from_the_beginning(scratch: Path, tmp_path: Path) -> None:
    store = AwayOnce(tmp_path / "objects")
    entry = await a_stored_input(store, write_audio(tmp_path / "s", a_tone(1.0)))
    ready = await Inputs(store, max_seconds=600).prepare([entry], scratch)
    assert (store.readings, soundfile.info(ready["source"].path).frames) == (2, 48_000)


async def test_a_decoder_that_dies_or_takes_too_long_means_a_broken_file(
    store: FolderStore, scratch: Path, tmp_path: Path
) -> None:
    entry = await an_endless_input(store, tmp_path)
    preparing = asyncio.create_task(Inputs(store, max_seconds=600).prepare([entry], scratch))
    os.kill(await a_decoder(scratch), signal.SIGSEGV)
    with pytest.raises(TaskFailed, match="the source audio cannot be decoded"):
        await preparing
    with pytest.raises(TaskFailed, match="the source audio cannot be decoded"):
        await Inputs(store, max_seconds=600, wall_s=0.5).prepare([entry], scratch)
    assert list(decoders_of(scratch)) == []


async def test_giving_up_ends_the_decoder(store: FolderStore, scratch: Path, tmp_path: Path) -> None:
    entry = await an_endless_input(store, tmp_path)
    preparing = asyncio.create_task(Inputs(store, max_seconds=600).prepare([entry], scratch))
    await a_decoder(scratch)
    preparing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preparing
    assert list(decoders_of(scratch)) == []
