"""One connection below the application: limits of the header, and broken HTTP answered in our own form."""

from asyncio import TimerHandle, Transport
from uuid import uuid4

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.envelope import failure_body

HEADER_S = 10.0
STALL_S = 60.0
"""How long a client may take nothing of an answer that waits for it."""
MAX_HEADER_BYTES = 64 * 1024


class Connection(HttpToolsProtocol):
    """uvicorn's connection, which may not stay open without a request being made or answered."""

    _waiting: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _in_header = False
    _header_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Expect a header from now on."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timers."""
        super().connection_lost(exc)
        self._stop_waiting()
        self._move_on()

    def pause_writing(self) -> None:
        """Hang up on a client who does not read: it would hold the answer and its file for ever."""
        super().pause_writing()
        self._move_on()
        self._stalled = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client reads."""
        super().resume_writing()
        self._move_on()

    def on_message_begin(self) -> None:
        """Count the header of this request."""
        super().on_message_begin()
        self._in_header, self._header_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Leave the rest to the application."""
        self._in_header = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Feed the parser, then see whether there is an end in sight."""
        was_in_header = self._in_header
        super().data_received(data)
        if was_in_header and self._in_header:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.send_400_response(f"the header is larger than {MAX_HEADER_BYTES} bytes")
        is_rest = self.cycle is not None and not self._in_header
        if self._is_answering() or is_rest:
            self._stop_waiting()  # the rest of an answered body may take its time, but not pause
        if not self._is_answering():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with the request, where an answer has not begun, and hang up."""
        if self.transport.is_closing():
            return
        if not (self._is_answering() and self.cycle.response_started):
            self.transport.write(_refusal(msg.rstrip(".")))
        self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        if self._waiting is None and not self.transport.is_closing():
            self._waiting = self.loop.call_later(HEADER_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _move_on(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._is_answering():
            return
        if self._in_header:
            self.send_400_response(f"no complete header came within {HEADER_S:g} seconds")
        else:
            self.transport.close()


def _refusal(text: str) -> bytes:
    """The whole answer; it tells nothing of anybody, so any origin may read it."""
    body = failure_body(400, text)
    head = (
        "HTTP/1.1 400 Bad Request\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        "access-control-allow-origin: *\r\n"
        f"x-request-id: {uuid4().hex}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body
