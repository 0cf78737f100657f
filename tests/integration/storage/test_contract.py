"""What every object store promises; each test runs on the local folder and on S3."""

import asyncio
import hashlib
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.domain.errors import ConflictError, NotFoundError, StorageUnavailableError, ValidationError
from app.domain.ports import ObjectStore

KEY = "o/1/5f0c/1/0.mp3"


def a_file(folder: Path, content: bytes, name: str = "clip") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


async def put(store: ObjectStore, key: str, path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    await store.put_file(key, path, sha256=digest, mime="audio/mpeg")


async def read(store: ObjectStore, key: str, start: int = 0, end: int = 1 << 40) -> bytes:
    return b"".join([chunk async for chunk in store.open_range(key, start, end)])


async def keys(store: ObjectStore, prefix: str, after: str = "") -> list[str]:
    return [found.key async for found in store.list(prefix, after)]


async def test_object_is_read_back_whole_and_in_ranges(store: ObjectStore, tmp_path: Path) -> None:
    content = bytes(range(256)) * 3000
    await put(store, KEY, a_file(tmp_path, content))
    assert await read(store, KEY, 0, len(content)) == content
    for start, end in ((0, 1), (255, 257), (100_000, 700_000), (len(content) - 1, len(content)), (5, 5)):
        assert await read(store, KEY, start, end) == content[start:end]
    assert await read(store, KEY, len(content) - 3, len(content) + 9) == content[-3:]
    assert await read(store, KEY, len(content) + 1, len(content) + 9) == b""


async def test_empty_object_is_an_object(store: ObjectStore, tmp_path: Path) -> None:
    await put(store, KEY, a_file(tmp_path, b""))
    found = await store.stat(KEY)
    assert found is not None
    assert found.size_bytes == 0
    assert await read(store, KEY, 0, 0) == b""


async def test_stat_tells_size_time_and_never_a_wrong_hash(store: ObjectStore, tmp_path: Path) -> None:
    assert await store.stat(KEY) is None
    await put(store, KEY, a_file(tmp_path, b"sound"))
    found = await store.stat(KEY)
    assert found is not None
    assert (found.key, found.size_bytes) == (KEY, 5)
    assert found.sha256 in (None, hashlib.sha256(b"sound").hexdigest())
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=5)


async def test_missing_object_is_not_found(store: ObjectStore) -> None:
    for start, end in ((0, 10), (5, 5)):
        with pytest.raises(NotFoundError):
            await read(store, KEY, start, end)


async def test_delete_removes_only_its_object_and_can_be_repeated(store: ObjectStore, tmp_path: Path) -> None:
    path = a_file(tmp_path, b"sound")
    other = "o/1/5f0c/1/1.mp3"
    await put(store, KEY, path)
    await put(store, other, path)
    await store.delete(KEY)
    await store.delete(KEY)
    await store.delete("o/9/none/1/0.mp3")
    assert await store.stat(KEY) is None
    assert await read(store, other) == b"sound"
    await store.delete(other)
    await put(store, KEY, path)  # a folder that was emptied can be used again
    assert await keys(store, "") == [KEY]


async def test_object_is_written_once(store: ObjectStore, tmp_path: Path) -> None:
    await put(store, KEY, a_file(tmp_path, b"first"))
    await put(store, KEY, a_file(tmp_path, b"first"))
    with pytest.raises(ConflictError, match="other content"):
        await put(store, KEY, a_file(tmp_path, b"other"))
    assert await read(store, KEY) == b"first"


async def test_file_that_changed_since_it_was_hashed_leaves_nothing(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = a_file(tmp_path, b"changed")
    with pytest.raises(ConflictError, match="does not have the given sha256"):
        await store.put_file(KEY, path, sha256=hashlib.sha256(b"before").hexdigest(), mime="audio/mpeg")
    assert await store.stat(KEY) is None
    assert await keys(store, "") == []


async def test_concurrent_puts_of_the_same_object_all_succeed(store: ObjectStore, tmp_path: Path) -> None:
    content = b"sound" * 100_000
    path = a_file(tmp_path, content)

    async def put_as_a_worker_does() -> None:
        # A store may answer 500 to simultaneous puts of one key (moto does); workers then try again.
        for pause_s in (0.1, 0.2, 0.4, 0.8):
            try:
                return await put(store, KEY, path)
            except StorageUnavailableError:
                await asyncio.sleep(pause_s)
        return await put(store, KEY, path)

    await asyncio.gather(*(put_as_a_worker_does() for _ in range(8)))
    assert await read(store, KEY) == content
    assert await keys(store, "") == [KEY]


async def test_reader_sees_the_whole_object_or_none(store: ObjectStore, tmp_path: Path) -> None:
    content = b"0123456789abcdef" * 300_000
    path = a_file(tmp_path, content)
    writing = asyncio.create_task(put(store, KEY, path))
    sizes = set()
    while not writing.done():
        found = await store.stat(KEY)
        sizes.add(found.size_bytes if found else None)
    await writing
    assert sizes <= {None, len(content)}
    assert await read(store, KEY) == content


@pytest.mark.parametrize(
    "key",
    [
        *(
            "",
            "/",
            "/etc/passwd",
            "../secret",
            "o/../../secret",
            "o/..",
            "o/./a",
            "o//a",
            "o/a/",
            ".drafts/a",
        ),
        *("o/A", "o/ä", "o/a b", "o/a\n", "o/a\0", "o\\a", "%2e%2e/a", "s3://b/a", "file:a", "a" * 256),
    ],
)
async def test_key_of_another_form_is_refused(store: ObjectStore, tmp_path: Path, key: str) -> None:
    path = a_file(tmp_path, b"sound")
    with pytest.raises(ValidationError):
        await put(store, key, path)
    with pytest.raises(ValidationError):
        await read(store, key)
    with pytest.raises(ValidationError):
        await store.stat(key)
    with pytest.raises(ValidationError):
        await store.delete(key)


async def test_list_walks_in_key_order_from_any_place(store: ObjectStore, tmp_path: Path) -> None:
    path = a_file(tmp_path, b"sound")
    names = [
        "o/1/a-b/1/0.mp3",
        "o/1/a/1/0.mp3",
        "o/1/a/1/1.mp3",
        "o/1/a/10/0.mp3",
        "o/1/a/2/0.mp3",
        "o/1/a_b/1/0.mp3",
    ]
    names += ["o/10/a/1/0.mp3", "o/2/a/1/0.mp3", "i/1/upload.wav", "o.mp3", "o-1/x", "oz"]
    for name in names:
        await put(store, name, path)
    names.sort()
    assert await keys(store, "") == names
    for prefix in ("o", "o/", "o/1", "o/1/", "o/1/a", "o/1/a/1/0.mp3", "i/", "x", "o/1/a/1/0.mp3/"):
        assert await keys(store, prefix) == [name for name in names if name.startswith(prefix)]
    for after in ("o/1/a", "o/1/a/", "o/1/a/1/0.mp3", "o/1/a/1/0.mp", "o/15", "zz", "a", "o/1/a-b"):
        assert await keys(store, "", after) == [name for name in names if name > after]
        wanted = [name for name in names if name > after and name.startswith("o/1/")]
        assert await keys(store, "o/1/", after) == wanted


async def test_long_list_is_walked_to_its_end(store: ObjectStore, tmp_path: Path) -> None:
    path = a_file(tmp_path, b"s")
    names = [f"o/1/task/1/{number:04}.mp3" for number in range(1005)]
    for begin in range(0, len(names), 50):
        await asyncio.gather(*(put(store, name, path) for name in names[begin : begin + 50]))
    assert await keys(store, "o/") == names


async def test_large_file_is_streamed_with_bounded_memory(store: ObjectStore, tmp_path: Path) -> None:
    block = hashlib.sha256(b"seed").digest() * 32_768
    path = tmp_path / "large.wav"
    with path.open("wb") as file:
        for _ in range(20):
            file.write(block)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    received = hashlib.sha256()
    tracemalloc.start()
    try:
        await store.put_file(KEY, path, sha256=digest, mime="audio/wav")
        _, put_peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        async for chunk in store.open_range(KEY, 0, 20 * len(block)):
            assert len(chunk) <= 256 * 1024
            received.update(chunk)
        _, read_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert received.hexdigest() == digest
    assert put_peak < 12_000_000
    assert read_peak < 4_000_000


async def test_reader_may_leave_in_the_middle(store: ObjectStore, tmp_path: Path) -> None:
    await put(store, KEY, a_file(tmp_path, bytes(2_000_000)))
    for _ in range(40):  # more often than there are threads or connections
        stream = store.open_range(KEY, 0, 2_000_000)
        async for chunk in stream:
            assert chunk
            break
        await stream.aclose()  # type: ignore[attr-defined]
    assert len(await read(store, KEY)) == 2_000_000


async def test_healthy_store_says_so_and_shows_no_trace_of_it(store: ObjectStore) -> None:
    await store.health()
    assert await keys(store, "") == []
