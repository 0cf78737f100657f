"""How fast tasks are stored and started: `python -m tests.bench.queue`, part of `make bench`.

Prints one table of goals and measured values (P1, P2, P5, P6 without HTTP), and writes `bench-queue.json`.
`ACESTEP_BENCH_PEERS` names a folder with benches of other job queues: `queue_bench.py`, and an environment
`.venv` for it. They then run in turn with ours, and print one column each. `QUICK=1` does less.
"""

import asyncio
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from app.embedded.stack import embedded_stack
from tests.bench import our_queue

CALLERS = 16
START_RATE = 20.0
GAP_S = 0.05
OUT = Path("bench-queue.json")
PEERS = ("peers.procrastinate", "peers.pgqueuer", "peers.saq_redis")
# Measure, goal and limit of the machine; see docs/performance.md.
GOALS = {
    "P1 start p50 ms": "<= 3 (limit 0.5)",
    "P1 start p99 ms": "<= 8",
    "P2 gap p50 ms": "<= 0.2 (limit 0)",
    "P2 gap p99 ms": "<= 2",
    "P5 drain/s, one slot": ">= 2000 (limit 8000)",
    "P6 submits/s, 16 callers, no HTTP": ">= 6000",
}


class Handled:
    """Notes when each job begins and ends; a job is `sent`, `busy_s`."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float, float]] = []

    async def __call__(self, body: str) -> None:
        """Take the time that the job names."""
        sent, busy_s = json.loads(body)
        begun = time.time()
        if busy_s:
            await asyncio.sleep(busy_s)
        self.times.append((sent, begun, time.time()))

    async def all(self, jobs: int) -> list[tuple[float, float, float]]:
        """Wait until so many were handled, in the order of their beginning."""
        async with asyncio.timeout(120):
            while len(self.times) < jobs:  # noqa: ASYNC110 - a bench may look
                await asyncio.sleep(0.02)
        return sorted(self.times, key=lambda each: each[1])


def share(values: Sequence[float], part: float) -> float:
    """Return the value below which that part lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


async def _worked(jobs: int) -> list[tuple[float, float, float]]:
    """Work tasks that wait already, one at a time."""
    handled = Handled()
    working = asyncio.create_task(our_queue.work(handled, 1))
    try:
        return await handled.all(jobs)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def stored_and_drained(enqueue: our_queue.Enqueue, jobs: int) -> dict[str, float]:
    """How fast are tasks stored, and those that wait worked off?"""
    await our_queue.clear()
    waiting = iter(range(jobs))

    async def caller() -> None:
        for _ in waiting:
            await enqueue(json.dumps([time.time(), 0]))

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    stored_s = time.perf_counter() - begun
    times = await _worked(jobs)
    drained_s = max(ended for *_, ended in times) - times[0][1]
    return {
        "P5 drain/s, one slot": (jobs - 1) / drained_s,
        "P6 submits/s, 16 callers, no HTTP": jobs / stored_s,
    }


async def gaps(enqueue: our_queue.Enqueue, jobs: int) -> dict[str, float]:
    """How long does a slot stand idle between two waiting tasks?"""
    await our_queue.clear()
    for _ in range(jobs):
        await enqueue(json.dumps([time.time(), GAP_S]))
    gaps_ms = [1000 * (later[1] - earlier[2]) for earlier, later in pairwise(await _worked(jobs))]
    return {"P2 gap p50 ms": share(gaps_ms, 0.5), "P2 gap p99 ms": share(gaps_ms, 0.99)}


async def starts(enqueue: our_queue.Enqueue, jobs: int) -> dict[str, float]:
    """How long from the call until an idle slot begins? Arrivals are fixed in advance."""
    await our_queue.clear()
    handled, generator = Handled(), random.Random(7)
    working = asyncio.create_task(our_queue.work(handled, 1))
    try:
        await asyncio.sleep(1.0)
        at, begun, sending = 0.0, time.monotonic(), []

        async def send(moment: float) -> None:
            await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
            await enqueue(json.dumps([time.time(), 0]))

        for _ in range(jobs):
            at += generator.expovariate(START_RATE)
            sending.append(send(at))
        await asyncio.gather(*sending)
        waits_ms = [1000 * (started - sent) for sent, started, _ in await handled.all(jobs)]
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    return {"P1 start p50 ms": share(waits_ms, 0.5), "P1 start p99 ms": share(waits_ms, 0.99)}


async def measure(*, quick: bool) -> dict[str, float]:
    """Measure our queue alone, on the servers of the environment."""
    await our_queue.prepare()
    async with our_queue.producer() as enqueue:
        found = await starts(enqueue, 40 if quick else 100)
        found |= await gaps(enqueue, 15 if quick else 40)
        found |= await stored_and_drained(enqueue, 200 if quick else 1000)
    await our_queue.clear()
    return found


async def beside_peers(folder: Path, *, quick: bool) -> None:
    """Run the benches of others in turn with ours; they print their own table."""
    sizes = ["--rounds", "1", "--jobs", "300", "--gap-jobs", "15"] if quick else []
    peers = [part for name in ("tests.bench.our_queue", *PEERS) for part in ("--peer", name)]
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), *(entry for entry in sys.path if entry.endswith("site-packages"))])
    python = folder / ".venv" / "bin" / "python"
    process = await asyncio.create_subprocess_exec(
        python, "queue_bench.py", *peers, *sizes, cwd=folder, env={**os.environ, "PYTHONPATH": path}
    )
    if await process.wait():
        raise SystemExit("the bench of the peers failed; see above")


async def main() -> None:
    """Print the table, on servers of its own with fsync."""
    quick, peers = bool(os.environ.get("QUICK")), os.environ.get("ACESTEP_BENCH_PEERS")
    folder = Path(tempfile.mkdtemp(prefix="acestep-bench-"))
    folder.chmod(0o711)
    async with embedded_stack(folder / "data") as stack:
        os.environ |= {"DATABASE_URL": stack.database_url, "REDIS_URL": stack.redis_url}
        found = await measure(quick=quick)
        OUT.write_text(json.dumps(found, indent=2) + "\n")
        print(f"{'measure':36} {'goal':22} measured")
        for name, goal in GOALS.items():
            print(f"{name:36} {goal:22} {found[name]:.2f}")
        if peers:
            await beside_peers(Path(peers), quick=quick)


if __name__ == "__main__":
    asyncio.run(main())
