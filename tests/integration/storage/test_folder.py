import asyncio
import hashlib
import os
import resource
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain.errors import ConflictError, NotFoundError, StorageUnavailableError
from app.storage.choose import choose_store
from app.storage.folder import FolderStore

KEY = "o/1/5f0c/1/0.mp3"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def a_file(folder: Path, content: bytes) -> tuple[Path, str]:
    path = folder / "clip"
    path.write_bytes(content)
    return path, hashlib.sha256(content).hexdigest()


async def put(store: FolderStore, key: str, path: Path, sha256: str) -> None:
    await store.put_file(key, path, sha256=sha256, mime="audio/mpeg")


async def read(store: FolderStore, key: str) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(key, 0, 1 << 40)])


def files_below(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if not path.is_dir()]


@contextmanager
def files_limited_to(size_bytes: int) -> Iterator[None]:
    """The kernel refuses to write past this size, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_write_that_fails_midway_leaves_nothing_and_can_be_repeated(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    path, sha256 = a_file(tmp_path, bytes(3_000_000))
    with (
        files_limited_to(1_500_000),
        pytest.raises(StorageUnavailableError, match="File too large") as caught,
    ):
        await put(store, KEY, path, sha256)
    assert str(root) not in str(caught.value)
    assert files_below(root) == []
    await put(store, KEY, path, sha256)
    assert [path.stat().st_size for path in files_below(root)] == [3_000_000]


async def test_object_never_stands_half_written_under_its_name(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    path, sha256 = a_file(tmp_path, bytes(20_000_000))
    writing = asyncio.create_task(put(store, KEY, path, sha256))
    seen = set()
    while not writing.done():
        seen.add((root / KEY).stat().st_size if (root / KEY).exists() else None)
        await asyncio.sleep(0)
    await writing
    assert None in seen
    assert seen <= {None, 20_000_000}


async def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    path, sha256 = a_file(tmp_path, b"secret of the machine")
    (root / "o").mkdir()
    (root / "o" / "file").symlink_to(path)
    (root / "o" / "away").symlink_to(tmp_path)
    os.mkfifo(root / "o" / "pipe")
    for key in ("o/file", "o/away/clip", "o/pipe", "o"):
        assert await store.stat(key) is None
        with pytest.raises(NotFoundError):
            await read(store, key)
    assert [found.key async for found in store.list("")] == []
    with pytest.raises(ConflictError):
        await put(store, "o/file", path, sha256)
    with pytest.raises(StorageUnavailableError):
        await put(store, "o/away/new", path, sha256)
    await store.delete("o/away/clip")
    assert path.read_bytes() == b"secret of the machine"
    assert not (tmp_path / "new").exists()


async def test_files_are_private_and_emptied_folders_go(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    await put(store, KEY, *a_file(tmp_path, b"sound"))
    assert stat.S_IMODE((root / KEY).stat().st_mode) == 0o600
    for folder in (root, *(root / KEY).parents[:4]):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await store.delete(KEY)
    assert [path.name for path in root.iterdir()] == [".drafts"]


async def test_deletes_and_puts_beside_each_other_do_not_disturb(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    path, sha256 = a_file(tmp_path, b"sound")

    async def come_and_go(name: str) -> None:
        for _ in range(60):
            await put(store, f"o/1/{name}", path, sha256)
            await store.delete(f"o/1/{name}")

    await asyncio.gather(*(come_and_go(name) for name in "abcd"))
    assert files_below(root) == []


async def test_drafts_of_dead_processes_go_at_the_next_start(root: Path) -> None:
    FolderStore(root)
    drafts = root / ".drafts"
    drafts.mkdir()
    old, new = drafts / "old", drafts / "new"
    for draft in (old, new):
        draft.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    FolderStore(root)
    assert [path.name for path in drafts.iterdir()] == ["new"]


async def test_store_whose_folder_vanished_is_unavailable_not_empty(root: Path, tmp_path: Path) -> None:
    store = FolderStore(root)
    await store.health()
    shutil.rmtree(root)
    path, sha256 = a_file(tmp_path, b"sound")
    with pytest.raises(StorageUnavailableError):
        await store.health()
    with pytest.raises(StorageUnavailableError):
        await put(store, KEY, path, sha256)
    with pytest.raises(StorageUnavailableError):
        await store.stat(KEY)
    with pytest.raises(StorageUnavailableError):
        await store.delete(KEY)
    with pytest.raises(StorageUnavailableError):
        _ = [found async for found in store.list("")]


def test_folder_is_chosen_without_an_endpoint_and_half_a_configuration_is_told(root: Path) -> None:
    assert isinstance(choose_store(folder=root), FolderStore)
    with pytest.raises(ValueError, match="S3_BUCKET, S3_SECRET_KEY"):
        choose_store(folder=root, endpoint="s3.example", access_key="key")
