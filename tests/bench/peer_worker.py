"""One process of a peer queue, in its own environment: `peer_worker.py MODULE prepare|enqueue|work`."""

import asyncio
import importlib
import sys

BUSY_S = 600.0


async def begin(body: str) -> None:
    """Tell that the job runs, and keep it running."""
    print("begun", flush=True)
    await asyncio.sleep(BUSY_S)


async def main(module: str, what: str) -> None:
    """Do one thing with the peer's adapter."""
    peer = importlib.import_module(module)
    match what:
        case "prepare":
            await peer.prepare()
        case "enqueue":
            await peer.clear()
            async with peer.producer() as enqueue:
                await enqueue("{}")
        case "work":
            await peer.work(begin, 1)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
