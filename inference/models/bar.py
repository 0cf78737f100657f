"""How far a long copy has come: a moving bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

_LINE_EVERY_S = 10.0


def as_size(count: int) -> str:
    """Return bytes as people read them, such as 6.3 GB."""
    return decimal(count)


class Bar:
    """Bytes done of a total."""

    def __init__(self, console: Console, name: str, total_bytes: int, *, done: int = 0) -> None:
        self._console = console
        self._name = name
        self._total_bytes = total_bytes
        self._done_bytes = done
        self._told_at = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(name, total=total_bytes, completed=done)

    def advance(self, count: int) -> None:
        """Add bytes; a negative count takes back what has to be done again."""
        self._done_bytes += count
        self._progress.update(self._task, completed=self._done_bytes)
        if not self._console.is_terminal and time.monotonic() - self._told_at > _LINE_EVERY_S:
            self._told_at = time.monotonic()
            self._console.print(f"{self._name}: {as_size(self._done_bytes)} of {as_size(self._total_bytes)}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._progress.stop()
