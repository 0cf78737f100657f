"""An audit hook that notes what this process opens and connects to, while a test wants to know."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_WATCHED = (
    "open",
    "os.listdir",
    "os.scandir",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.gethostbyname",
)
_INSTALLED = tuple(map(str, (sys.prefix, sys.base_prefix, Path(__file__).parents[2])))
_listening: list[list[tuple[str, str]]] = []
_is_installed = False


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _listening and event in _WATCHED:
        for seen in _listening:
            seen.append((event, str(arguments[1] if event == "socket.connect" else arguments[0])))


@contextmanager
def watching(*, servers: tuple[str, ...]) -> Iterator[list[tuple[str, str]]]:
    """Collect what is opened and connected to: not our own code, and not the servers with these ports."""
    global _is_installed
    if not _is_installed:  # a hook can never be removed
        sys.addaudithook(_note)
        _is_installed = True
    seen: list[tuple[str, str]] = []
    _listening.append(seen)
    try:
        yield seen
    finally:
        _listening.remove(seen)
        seen[:] = [
            (event, what)
            for event, what in seen
            if not what.startswith(_INSTALLED) and not any(port in what for port in servers)
        ]
