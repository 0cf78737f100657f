"""One POST to an address that a client named: resolved, judged, and connected to exactly as judged."""

import asyncio
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from socket import SOCK_STREAM, gaierror, getaddrinfo

import httpcore

from app.domain.addresses import Network, may_be_reached
from app.domain.errors import ValidationError
from app.domain.webhook import MAX_ANSWER_BYTES, SENDING_LIMIT_S
from app.domain.webhook_url import parse_webhook_url
from app.services.deliver import Message, Reply

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Names of a few teams may hang, for longer than a try waits for them.
_RESOLVERS = 64


class AddressRefused(Exception):
    """The host has an address that a webhook must not reach."""


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to a host only if every address it has now may be reached, and then to one of these."""

    def __init__(self, resolve: Resolve, allowed: Sequence[Network]) -> None:
        self._resolve = resolve
        self._allowed = allowed
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection; TLS and the Host header keep the name.

        Raises:
            AddressRefused: not all addresses are public or opened by the operator.
            httpcore.ConnectError: nobody answers.
        """
        addresses = await self._resolve(host, port)
        if not all(may_be_reached(ip_address(each), allowed=self._allowed) for each in addresses):
            raise AddressRefused
        failure: Exception = httpcore.ConnectError("the host has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refuse: no webhook goes to a socket of this machine."""
        raise AddressRefused

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Poster:
    """Sends messages of webhooks: no proxy, no redirects, no kept connections, everything within a limit."""

    def __init__(
        self,
        *,
        allow_http: bool,
        allowed: Sequence[Network],
        limit_s: float = SENDING_LIMIT_S,
        resolve: Resolve | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        # Names of clients can hang: they must not take the threads that the rest of the process uses.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolve")
        self._network = GuardedNetwork(resolve or self._look_up, allowed)
        self._allow_http = allow_http
        self._limit_s = limit_s
        self._ssl_context = ssl_context or httpcore.default_ssl_context()

    async def __call__(self, message: Message) -> Reply:
        """Send a message; whatever happens is told by the reply."""
        begun = time.monotonic()
        seen = _Seen()
        try:
            url = parse_webhook_url(message.url, allow_http=self._allow_http)
            async with asyncio.timeout(self._limit_s):
                await self._post(url, message, seen)
        except Exception as error:
            # The status decides: an answer whose body does not end in time is an answer.
            if seen.status is None:
                seen.error = _reason(error, self._limit_s)
        latency_ms = round((time.monotonic() - begun) * 1000)
        return Reply(status=seen.status, answer=seen.text, error=seen.error, latency_ms=latency_ms)

    def close(self) -> None:
        """Stop resolving names."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    async def _post(self, url: str, message: Message, seen: "_Seen") -> None:
        phases = dict.fromkeys(("connect", "read", "write", "pool"), self._limit_s)
        # A pool for each message: nothing is kept, so every try resolves and judges anew.
        async with (
            httpcore.AsyncConnectionPool(self._ssl_context, network_backend=self._network) as pool,
            pool.stream(
                "POST",
                url,
                headers=list(message.headers.items()),
                content=message.body,
                extensions={"timeout": phases},
            ) as response,
        ):
            seen.status = response.status
            seen.error = _judge(response.status)
            async for chunk in response.aiter_stream():
                seen.body += chunk[: MAX_ANSWER_BYTES - len(seen.body)]
                if len(seen.body) >= MAX_ANSWER_BYTES:
                    break

    async def _look_up(self, host: str, port: int) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._resolvers, lambda: getaddrinfo(host, port, type=SOCK_STREAM))
        return list(dict.fromkeys(str(place[0]) for *_, place in found))


class _Seen:
    """What has come of an answer so far."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.body = b""
        self.error: str | None = None

    @property
    def text(self) -> str:
        """The beginning of the body, without control characters."""
        return _CONTROL.sub("", self.body.decode("utf-8", "replace"))


def _judge(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return "redirects are not followed" if 300 <= status < 400 else f"status {status}"


def _reason(error: Exception, limit_s: float) -> str:
    """Public words for what went wrong; they tell nothing about the network behind us."""
    match error:
        case ValidationError():
            return str(error)
        case AddressRefused():
            return "the address is not allowed"
        case TimeoutError() | httpcore.TimeoutException():
            return f"no answer within {limit_s:g} seconds"
        case gaierror():
            return "the host name is not known"
        case ssl.SSLError():
            return "the certificate is not accepted"
        case httpcore.ConnectError() if isinstance(error.__context__, ssl.SSLError):
            return "the certificate is not accepted"
        case httpcore.ConnectError():
            return "no connection"
        case _:
            return "the connection broke, or the answer is not HTTP"
