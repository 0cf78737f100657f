"""Random requests made from the OpenAPI document: no answer may be a server error or differ from it.

`make test` sends some hundred; `make fuzz` at least 20 000 (FUZZ_REQUESTS in each of two modes).
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.processes import STUB, Service, a_service

pytestmark = pytest.mark.inference

KEY = "fuzz-key"
WANTED = int(os.environ.get("FUZZ_REQUESTS", "400"))
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest_asyncio.fixture(params=["", KEY], ids=["open", "closed"])
async def service(
    request: pytest.FixtureRequest, tmp_path: Path, database_url: str, redis_url: str
) -> AsyncIterator[Service]:
    """An API without workers and without a queue limit, in open mode and with a key."""
    async with a_service(
        tmp_path,
        database_url=database_url,
        redis_url=redis_url,
        ACESTEP_ENGINE=STUB,
        ACESTEP_QUEUE_MAXSIZE="0",
        ACESTEP_EXPORT_MAX_ROWS="20",  # else every export would send all that the others have submitted
        ACESTEP_API_KEY=request.param,
        ACESTEP_LOG_LEVEL="error",
    ) as service:
        await service.start("api")
        yield service


async def operations_with_body(service: Service) -> int:
    """How many routes have most to vary; the others add to the number of requests."""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    return sum("requestBody" in operation for operation in operations)


async def fuzz(service: Service, requests: int, *arguments: str) -> tuple[int, str]:
    """Run schemathesis; returns how many requests it made, and its report."""
    each = requests // await operations_with_body(service) + 1
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("--config-file", str(CONFIG), "run", f"{service.url}/openapi.json"),
        *("--max-examples", str(each), "--continue-on-failure", "--no-color", "--warnings", "off"),
        *("--generation-database", "none", "--header", f"Authorization: Bearer {KEY}", *arguments),
        cwd=service.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    report = output.decode()
    assert process.returncode == 0, f"{report}\n{service.log('api')}"
    found = re.search(r"(\d+) generated, (\d+) passed", report)
    assert found, report
    assert found[1] == found[2], report
    return int(found[1]), report


async def test_every_answer_is_one_that_the_document_describes(service: Service) -> None:
    phases = "examples,coverage,fuzzing" if WANTED >= 10_000 else "examples,fuzzing"
    made, report = await fuzz(service, WANTED, "--phases", phases)
    print(report)  # noqa: T201 - shown by `make fuzz`
    assert made >= WANTED
    assert service.log("api") == ""
    async with httpx.AsyncClient(base_url=service.url, trust_env=False) as client:
        headers = {"authorization": f"Bearer {KEY}"}
        assert (await client.get("/v1/stats", headers=headers)).json()["data"]["jobs"]["failed"] == 0
