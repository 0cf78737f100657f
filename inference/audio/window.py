"""A part of a file that reads like a file of its own."""

import io


class Window(io.RawIOBase):
    """Bytes `start` to `end` of a file: decoders see neither tags before nor chunks behind."""

    def __init__(
        self, file: io.RawIOBase | io.BufferedIOBase, start: int, end: int | None, *, before: bytes = b""
    ) -> None:
        """Lay the window on an open file, which the window alone moves from now on.

        Args:
            end: exclusive; None = the end of the file.
            before: comes first.
        """
        size = file.seek(0, io.SEEK_END)
        self._file = file
        self._before = before
        self._start = min(start, size)
        self._size = len(before) + max(0, min(size if end is None else end, size) - self._start)
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether it has a position that can be set: always."""
        return True

    def readinto(self, buffer: object) -> int:
        """Fill the buffer as far as the window goes; returns the number of bytes."""
        view = memoryview(buffer).cast("B")[: self._size - self._at]  # type: ignore[arg-type]  # cffi's is one
        first = self._before[self._at : self._at + len(view)]
        view[: len(first)] = first
        count = len(first)
        if count < len(view):
            self._file.seek(self._start + self._at + count - len(self._before))
            count += self._file.readinto(view[count:]) or 0
        self._at += count
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the window; returns the new position."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, min(origin + offset, self._size))
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at
