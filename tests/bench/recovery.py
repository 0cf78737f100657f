"""From the SIGKILL of a worker until its task runs again: `python -m tests.bench.recovery [peer options]`.

Two workers with the stub engine on one machine; the one whose task computes is killed, and the time is taken
until the other's engine begins. Beside it a peer queue does the same on the same Postgres, in an environment
of its own: `--peer-python PYTHON --peers FOLDER --peer peers.pgqueuer`, where FOLDER holds modules with
`prepare`, `clear`, `producer` and `work`.
"""

import argparse
import asyncio
import os
import signal
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from statistics import median

import asyncpg

from tests.bench.stages import a_running_service
from tests.processes import Service

TIMES, PEER_TIMES, PEER_LIMIT_S = 20, 3, 90.0
JOB = {"prompt": "sleep=2.0 steps=40", "audio_duration": 10, "batch_size": 1, "audio_format": "wav"}
PEER_WORKER = Path(__file__).with_name("peer_worker.py")
NAMES = ("first", "second")

_HOLDER = "SELECT w.pid FROM tasks t JOIN workers w ON w.id = t.worker_id WHERE t.id = $1"
_BEGUN = "SELECT CAST(result->'audit'->'accelerator'->>0 AS float8) FROM tasks WHERE id = $1 AND attempt = 2"


async def kill_again_and_again(service: Service, times: int) -> list[float]:
    """Kill the worker that computes, so many times; returns the seconds until the other computed."""
    await asyncio.gather(*(service.start(name) for name in NAMES))
    connection = await asyncpg.connect(service.environment["DATABASE_URL"])
    seconds = []
    for _ in range(times):
        task_id = await service.submit(**JOB)
        await service.running(task_id)
        pid = await connection.fetchval(_HOLDER, task_id)
        dead = next(name for name in NAMES if service.processes[name].pid == pid)
        killed_at = time.monotonic()
        await service.stop(dead, signal.SIGKILL)
        await service.finished(task_id)
        # The engine's clock is the machine's, and so is ours.
        seconds.append(await connection.fetchval(_BEGUN, task_id) - killed_at)
        await service.start(dead)
    await connection.close()
    return seconds


class Peer:
    """Workers of another queue, each a process of its own environment that tells when its job begins."""

    def __init__(self, python: str, folder: str, module: str, database_url: str) -> None:
        self._command = (python, str(PEER_WORKER), module)
        self._environment = {**os.environ, "PYTHONPATH": folder, "DATABASE_URL": database_url}

    async def measure(self, times: int) -> list[float]:
        """Seconds of each time; infinite where the job did not run again in time."""
        await (await self._start("prepare")).wait()
        seconds = []
        for _ in range(times):
            await (await self._start("enqueue")).wait()
            workers = [await self._start("work") for _ in range(2)]
            begun = [asyncio.create_task(_line(worker)) for worker in workers]
            done, waiting = await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
            killed_at = time.monotonic()
            workers[begun.index(done.pop())].kill()
            again, _ = await asyncio.wait(waiting, timeout=PEER_LIMIT_S)
            seconds.append(time.monotonic() - killed_at if again else float("inf"))
            for task, worker in zip(begun, workers, strict=True):
                task.cancel()
                if worker.returncode is None:
                    worker.kill()
                await worker.wait()
        return seconds

    async def _start(self, what: str) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command, what, env=self._environment, stdin=DEVNULL, stdout=PIPE
        )


async def _line(worker: Process) -> bytes:
    assert worker.stdout is not None
    return await worker.stdout.readline()


def _spread(name: str, seconds: list[float]) -> str:
    return (
        f"{name:<24} median {median(seconds):6.2f} s   longest {max(seconds):6.2f} s   {len(seconds)} times"
    )


async def main() -> None:
    """Print the numbers of one run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--peer-times", type=int, default=PEER_TIMES)
    parser.add_argument("--peer")
    parser.add_argument("--peer-python")
    parser.add_argument("--peers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acestep-bench-") as name:
        Path(name).chmod(0o711)
        async with a_running_service(Path(name)) as running:
            mine = await kill_again_and_again(running.service, options.times)
            print(_spread("ours", mine), "(aim: median 1 s)")
            if options.peer:
                url = running.service.environment["DATABASE_URL"]
                peer = Peer(options.peer_python, options.peers, options.peer, url)
                theirs = await peer.measure(options.peer_times)
                print(_spread(options.peer, theirs))
                print(f"ratio {median(theirs) / median(mine):.0f}")


if __name__ == "__main__":
    asyncio.run(main())
