"""Reads the address of a webhook once, strictly, into the one form that is stored and called."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import SplitResult, quote, urlsplit

import idna

from app.domain.addresses import Address, Network, may_be_reached
from app.domain.errors import ValidationError

MAX_CHARS = 1024
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
# What inet_aton reads as an address: 127.1, 0x7f.1, 017700000001, 2130706433.
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_SAFE = "%/:=&?~+!$,;'@()*[]-._"


def parse_webhook_url(text: str, *, allow_http: bool, field: str = "url", max_chars: int = MAX_CHARS) -> str:
    """Return the address in its one form: host in ASCII and lower case, without a trailing dot.

    Where the host leads is judged at every delivery, by its addresses.

    Raises:
        ValidationError: another scheme, a user, a fragment, or a host that programs read differently.
    """
    schemes = ("https", "http") if allow_http else ("https",)
    text = text.strip()
    try:
        if _FORBIDDEN.search(text) or len(text) > max_chars:
            raise ValueError
        parts = urlsplit(text)
        host, port = _host(parts), parts.port
        if parts.scheme not in schemes or "@" in parts.netloc or "#" in text or port == 0:
            raise ValueError
    except ValueError:  # of the standard library, of idna, and ours
        raise ValidationError(
            f"{field} must be an {' or '.join(schemes)} address of at most {max_chars} characters, "
            "without user and fragment, with a host name or an address in its usual spelling"
        ) from None
    place = f"{host}:{port}" if port is not None else host
    query = f"?{quote(parts.query, safe=_SAFE)}" if parts.query else ""
    return f"{parts.scheme}://{place}{quote(parts.path, safe=_SAFE) or '/'}{query}"


def refuse_private_address(url: str, *, allowed: Sequence[Network], field: str = "url") -> None:
    """Return if a parsed url may be stored: it names a host, or an address that may be reached.

    Raises:
        ValidationError: it names a private address itself.
    """
    literal = _literal_address(url)
    if literal is not None and not may_be_reached(literal, allowed=allowed):
        raise ValidationError(f"{field}: the address is not allowed")


def _literal_address(url: str) -> Address | None:
    try:
        return ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return None


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if "%" in host:  # a zone of IPv6, or an escape
        raise ValueError
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    host = host.removesuffix(".")
    if ":" in host:
        return f"[{IPv6Address(host)}]"
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        return str(IPv4Address(host))
    if not _HOST.fullmatch(host):
        raise ValueError
    return host
