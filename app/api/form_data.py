"""Forms: urlencoded ones, and multipart ones with files, read part by part as they arrive."""

import codecs
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from app.domain.aliases import FILE_FIELDS, TOKEN_FIELD
from app.domain.errors import ForbiddenError, TooLargeError, UnauthorizedError, ValidationError
from app.domain.inputs import ReceivedFile, Role
from app.storage.spool import Spool, SpooledFile

# Text encodings only: some codecs of Python are compressors, or take quadratic time.
_CHARSETS = ("utf-8", "ascii", "iso8859-1", "cp1252")
_FILE_NAMES = frozenset(name for names in FILE_FIELDS.values() for name in names)
_MAX_BOUNDARY_CHARS = 200
_SLICE_BYTES = 64 * 1024
_MALFORMED = "malformed form body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """How a route takes files.

    Attributes:
        identify: accepts or refuses the caller by the first `ai_token`, or by the header alone for None.
        max_bytes: size of the whole body of a known caller.
        max_file_bytes: size of one file.
    """

    spool: Spool
    identify: Callable[[str | None], Awaitable[object]]
    max_bytes: int
    max_file_bytes: int


def read_urlencoded(raw: bytes, *, charset: str, max_fields: int) -> dict[str, str]:
    """Decode a urlencoded form; the first value of a repeated field wins.

    Raises:
        ValidationError: broken text, an unknown charset, or too many fields.
    """
    encoding = _encoding(charset)
    if raw.count(b"&") >= max_fields:
        raise ValidationError(f"the form has more than {max_fields} fields")
    fields: dict[str, str] = {}
    for pair in raw.split(b"&"):
        name, _, value = pair.partition(b"=")
        if pair:
            fields.setdefault(_decode(_unquote(name), encoding), _decode(_unquote(value), encoding))
    return fields


async def read_multipart(
    chunks: AsyncIterator[bytes],
    content_type: str,
    *,
    max_bytes: int,
    max_parts: int,
    incoming: Incoming | None,
) -> tuple[dict[str, str], Mapping[Role, ReceivedFile]]:
    """Read a multipart body.

    Args:
        content_type: value of the header, with its boundary.
        max_bytes: of all text fields; and of the whole body while the caller is unknown.
        incoming: None if the route takes no files; they are then counted and dropped.

    Raises:
        TooLargeError: more text, a larger file or a larger body than allowed.
        ValidationError: not a multipart body, cut off, or with too many parts.
        UnauthorizedError: nobody is known at the end.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if not 0 < len(boundary) <= _MAX_BOUNDARY_CHARS:
        raise ValidationError(_MALFORMED)
    form = _Form(max_bytes=max_bytes, incoming=incoming)
    await form.greet()
    try:
        parser = PushMultipartParser(boundary, max_segment_count=max_parts)
        async for chunk in chunks:
            for start in range(0, len(chunk), _SLICE_BYTES):
                part = chunk[start : start + _SLICE_BYTES]
                for event in parser.parse(part):
                    await form.take(event)
                form.count(len(part))
        parser.close()
    except ParserLimitReached as error:
        raise ValidationError(f"more than {max_parts} parts in the form, or too long a header") from error
    except MultipartError as error:
        raise ValidationError(_MALFORMED) from error
    return form.fields, await form.finish()


class _Form:
    """A multipart body so far."""

    def __init__(self, *, max_bytes: int, incoming: Incoming | None) -> None:
        self.fields: dict[str, str] = {}
        self._files: dict[str, SpooledFile] = {}
        self._max_bytes = max_bytes
        self._incoming = incoming
        self._is_known = False
        self._body_bytes = 0
        self._text_bytes = 0
        self._segment: MultipartSegment | None = None
        self._text: bytearray | None = None
        self._file: SpooledFile | None = None

    async def greet(self) -> None:
        """Learn whether the header already tells who is calling."""
        if self._incoming is not None:
            try:
                await self._incoming.identify(None)
                self._is_known = True
            except (UnauthorizedError, ForbiddenError):
                self._is_known = False

    def count(self, size_bytes: int) -> None:
        """Count received bytes."""
        self._body_bytes += size_bytes
        if self._is_known and self._incoming is not None:
            if self._body_bytes > self._incoming.max_bytes:
                raise TooLargeError(f"body is larger than {self._incoming.max_bytes} bytes")
        elif self._body_bytes > self._max_bytes:
            hint = "; send the key in the Authorization header or before the files" if self._incoming else ""
            raise TooLargeError(f"body is larger than {self._max_bytes} bytes{hint}")

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """Take one event of the parser: a part begins, goes on, or ends."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            await self._end()
        elif self._file is not None:
            await self._file.write(bytes(event), to_disk=self._is_known)
        elif self._text is not None:
            self._text_bytes += len(event)
            if self._text_bytes > self._max_bytes:
                raise TooLargeError(f"the text fields are larger than {self._max_bytes} bytes")
            self._text += event

    async def finish(self) -> Mapping[Role, ReceivedFile]:
        """Store what was held back until the caller was known, and choose among the names of a role."""
        if self._incoming is None:
            return {}
        if not self._is_known:
            await self._incoming.identify(None)
        files: dict[Role, ReceivedFile] = {}
        for role, names in FILE_FIELDS.items():
            name = next((name for name in names if name in self._files), None)
            if name is not None:
                files[role] = await self._files[name].finish()
        return files

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment = segment
        name = segment.name or ""
        if _is_file(segment):
            if self._incoming is not None and name in _FILE_NAMES and name not in self._files:
                self._file = self._incoming.spool.file(max_bytes=self._incoming.max_file_bytes)
        elif name and name not in _FILE_NAMES:
            self._text = bytearray()

    async def _end(self) -> None:
        segment, text, file = self._segment, self._text, self._file
        self._segment = self._text = self._file = None
        assert segment is not None
        name = segment.name or ""
        # A file input that was left empty sends a part without a file name and without content.
        if file is not None and (file.size_bytes or segment.filename):
            self._files[name] = file
        if text is not None:
            await self._keep(name, text, segment.charset or "utf-8")

    async def _keep(self, name: str, text: bytearray, charset: str) -> None:
        if name in self.fields:
            return
        value = _decode(text, _encoding(charset))
        self.fields[_checked(name)] = value
        if name == TOKEN_FIELD and self._incoming is not None:
            await self._incoming.identify(value)
            self._is_known = True


def _is_file(segment: MultipartSegment) -> bool:
    # Names outside ASCII may come as `filename*` alone, which the parser does not read.
    return segment.filename is not None or "filename*=" in (segment.header("Content-Disposition") or "")


def _encoding(charset: str) -> str:
    try:
        name = codecs.lookup(charset.strip()).name
    except (LookupError, ValueError):
        name = ""
    if name not in _CHARSETS:
        raise ValidationError("the charset of the form is not supported; send utf-8")
    return name


def _unquote(quoted: bytes) -> bytes:
    """Decode plus signs and percent escapes, block by block.

    The library makes an object of every escape: a body of them would take a hundred times its size.
    """
    plain = bytearray()
    start = 0
    while start < len(quoted):
        end = start + _SLICE_BYTES
        escape = quoted.rfind(b"%", end - 2, end)  # not to be cut in two
        end = escape if escape > start else end
        plain += unquote_to_bytes(quoted[start:end].replace(b"+", b" "))
        start = end
    return bytes(plain)


def _decode(raw: bytes | bytearray, encoding: str) -> str:
    try:
        return _checked(raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValidationError(_MALFORMED) from error


def _checked(text: str) -> str:
    """Refuse the one character that cannot be stored, as in JSON."""
    if "\0" in text:
        raise ValidationError("text must not contain the character U+0000")
    return text
