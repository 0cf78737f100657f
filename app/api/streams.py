"""Bodies that are sent while they are made."""

from collections.abc import AsyncIterator


async def resume(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Send a first portion, which was read before the answer began, and then the others."""
    yield first
    async for portion in rest:
        yield portion
