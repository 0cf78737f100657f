"""A real API process under hostile bodies: each is refused or held for decoding, and memory stays flat.

Judged here: what the API can tell. Whatever lies only inside the encoded audio is the decoder's.
"""

import asyncio
import http.client
import json
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest_asyncio

from app.db.engine import Database
from app.db.workers import WorkerReport
from app.domain.probe import MIME_TYPES
from tests.audio_files import a_wav
from tests.builders import MODEL
from tests.hostile_bodies import CASES, MULTIPART, Hostile, form_with
from tests.processes import Service, a_service

MOST_GROWTH_BYTES = 64 * 1024 * 1024


@pytest_asyncio.fixture
async def service(tmp_path: Path, database_url: str, redis_url: str, db: Database) -> AsyncIterator[Service]:
    """An API that knows of a worker which decodes everything."""
    await report_a_worker(db)
    limits = {"ACESTEP_MAX_UPLOAD_BYTES": str(32 * 1024**2), "ACESTEP_MAX_FORM_BYTES": str(48 * 1024**2)}
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_QUEUE_MAXSIZE="0",
        ACESTEP_LEASE_SECONDS="3600",
        **limits,
    ) as service:
        await service.start("api")
        yield service


async def report_a_worker(db: Database) -> None:
    model = {"name": MODEL, "category": "turbo", "inputs": list(MIME_TYPES)}
    report = WorkerReport(
        id=uuid4(),
        host="elsewhere",
        pid=1,
        version="1",
        state="ready",
        slots=1,
        models=[model],
        loaded=[],
        device=None,
    )
    async with db.autocommit() as work:
        await work.workers.report(report)


def memory_bytes(pid: int, what: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(what)


def send(port: int, case: Hostile) -> tuple[int, str]:
    """Send in chunks of unknown number, and read the answer even if it comes before the end."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"content-type": case.content_type, "transfer-encoding": "chunked"}
    try:
        with suppress(ConnectionError):  # refused and hung up; the answer is there all the same
            connection.request("POST", "/release_task", case.body(), headers, encode_chunked=True)
        response = connection.getresponse()
        return response.status, json.loads(response.read())["error"]
    finally:
        connection.close()


async def test_hostile_bodies_are_refused_and_memory_stays(service: Service, tmp_path: Path) -> None:
    assert len(CASES) >= 200
    pid = service.processes["api"].pid
    good = Hostile("good", MULTIPART, lambda: form_with(a_wav(seconds=20)))
    for _ in range(3):  # code, pools and buffers of the ordinary way
        assert await asyncio.to_thread(send, service.port, good) == (200, None)
    before = memory_bytes(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak counts from here
    wrong = []
    for case in CASES:
        status, error = await asyncio.to_thread(send, service.port, case)
        if not (status in (400, 413, 415) and error) and not (case.may_be_accepted and status == 200):
            wrong.append((case.name, status, error))
    assert await service.answers()
    growth = memory_bytes(pid, "VmHWM") - before
    assert wrong == []
    assert growth < MOST_GROWTH_BYTES
    (uploads,) = (tmp_path / "tmp" / "uploads").iterdir()
    assert list(uploads.iterdir()) == []
    assert "Traceback" not in service.log("api")


async def test_what_a_dead_process_left_goes_at_the_next_start(service: Service, tmp_path: Path) -> None:
    (left,) = (tmp_path / "tmp" / "uploads").iterdir()
    (left / "request").mkdir()
    (left / "request" / "file").write_bytes(b"x")
    await service.stop("api", signal.SIGKILL)
    await service.start("api")
    assert not left.exists()
