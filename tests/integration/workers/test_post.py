"""Where a webhook may go: judged by the addresses behind its name, and connected to exactly as judged."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.domain.addresses import Network, parse_networks
from app.services.deliver import Message, Reply
from tests.receiver import ENDLESS_BYTES, Receiver, a_receiver
from workers.post import Poster

LOOPBACK = parse_networks("127.0.0.0/8")
NAME = "hooks.example"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as receiver:
        yield receiver


class Names:
    """A resolver with an answer for each of the following look-ups; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def post(
    url: str,
    *,
    allowed: Sequence[Network] = LOOPBACK,
    names: Names | None = None,
    context: ssl.SSLContext | None = None,
    allow_http: bool = True,
    limit_s: float = 5.0,
) -> Reply:
    poster = Poster(
        allow_http=allow_http, allowed=allowed, resolve=names, ssl_context=context, limit_s=limit_s
    )
    try:
        return await poster(Message(url=url, headers={"X-Test": "yes"}, body=b'{"a":1}'))
    finally:
        poster.close()


async def test_a_message_arrives_as_it_is(receiver: Receiver) -> None:
    reply = await post(receiver.url("/ok?a=1"))
    assert (reply.status, reply.answer, reply.error) == (200, "thanks", None)
    (heard,) = receiver.heard
    assert (heard.target, heard.body) == ("/ok?a=1", b'{"a":1}')
    assert heard.headers["x-test"] == "yes"
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "localhost.", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0", "[64:ff9b::7f00:1]"],
)
async def test_private_addresses_are_not_reached(receiver: Receiver, host: str) -> None:
    reply = await post(receiver.url(host=host), allowed=())
    assert (reply.status, reply.error) == (None, "the address is not allowed")
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[fe80::1%25lo]"])
async def test_other_spellings_of_an_address_are_refused(receiver: Receiver, host: str) -> None:
    reply = await post(receiver.url(host=host))
    assert reply.error is not None
    assert reply.error.startswith("url must be")
    assert receiver.connections == 0


async def test_one_private_address_among_public_ones_refuses_all(receiver: Receiver) -> None:
    names = Names(["8.8.8.8", "127.0.0.1"])
    reply = await post(receiver.url(host=NAME), allowed=(), names=names)
    assert reply.error == "the address is not allowed"
    assert receiver.connections == 0


async def test_the_checked_address_is_the_one_connected_to(receiver: Receiver) -> None:
    """A name that changes between two look-ups is looked up once for each try, and judged each time."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    assert (await post(receiver.url(host=NAME), names=names)).status == 200
    assert receiver.heard[0].headers["host"] == f"{NAME}:{receiver.port}"
    assert names.asked == [NAME]
    assert (await post(receiver.url(host=NAME), names=names)).error == "the address is not allowed"


async def test_the_next_address_is_tried_where_the_first_does_not_answer(receiver: Receiver) -> None:
    names = Names(["127.0.0.99", "127.0.0.1"])
    assert (await post(receiver.url(host=NAME), names=names)).status == 200


async def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    reply = await post(receiver.url("/redirect"))
    assert (reply.status, reply.error) == (302, "redirects are not followed")
    assert [heard.target for heard in receiver.heard] == ["/redirect"]


async def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert (await post(receiver.url())).status == 200
        assert proxy.connections == 0


@pytest.mark.parametrize("manner", ["hang", "slow-header"])
async def test_who_does_not_answer_in_time_is_given_up(receiver: Receiver, manner: str) -> None:
    reply = await post(receiver.url(f"/{manner}"), limit_s=0.3)
    assert (reply.status, reply.error) == (None, "no answer within 0.3 seconds")
    assert 250 < reply.latency_ms < 3000


async def test_one_kilobyte_of_an_endless_answer_is_read_without_control_characters(
    receiver: Receiver,
) -> None:
    reply = await post(receiver.url("/endless"))
    assert (reply.status, reply.error) == (200, None)
    assert reply.answer == "ab" * 256
    assert receiver.sent_bytes < ENDLESS_BYTES


async def test_an_answer_counts_though_its_body_does_not_end(receiver: Receiver) -> None:
    reply = await post(receiver.url("/late-body"), limit_s=0.3)
    assert (reply.status, reply.answer, reply.error) == (202, "to be", None)


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/500", 500, "status 500"),
        ("/404", 404, "status 404"),
        ("/nonsense", None, "the connection broke, or the answer is not HTTP"),
        ("/drop", None, "the connection broke, or the answer is not HTTP"),
    ],
)
async def test_failures_are_told(receiver: Receiver, path: str, status: int | None, error: str) -> None:
    reply = await post(receiver.url(path))
    assert (reply.status, reply.error) == (status, error)


async def test_nobody_there(receiver: Receiver) -> None:
    assert (await post("http://127.0.0.1:1/")).error == "no connection"
    assert (await post("http://name.invalid/")).error == "the host name is not known"
    assert "https" in str((await post(receiver.url(), allow_http=False)).error)


def certificate(folder: Path, name: str) -> Path:
    """A certificate for a name that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return path


@pytest.mark.parametrize(
    ("host", "error"), [(NAME, None), ("other.example", "the certificate is not accepted")]
)
async def test_the_certificate_is_that_of_the_name(tmp_path: Path, host: str, error: str | None) -> None:
    path = certificate(tmp_path, NAME)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    trusting = ssl.create_default_context(cafile=str(path))
    async with a_receiver(ssl_context=server) as receiver:
        url = receiver.url(host=host, scheme="https")
        reply = await post(url, names=Names(["127.0.0.1"]), context=trusting, allow_http=False)
        assert reply.error == error
        assert len(receiver.heard) == (error is None)
        untrusting = await post(url, names=Names(["127.0.0.1"]), allow_http=False)
        assert untrusting.error == "the certificate is not accepted"


PRIVATE = (
    *("127.0.0.1", "127.8.9.10", "10.0.0.5", "172.16.0.1", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "0.0.0.0"),
)
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
WIDE = str.maketrans("0123456789.", "０１２３４５６７８９。")


def spellings(address: str) -> list[str]:
    """Ways in which programs have been talked into one address."""
    number = int(ip_address(address))
    a, b, c, d = map(int, address.split("."))
    pair = f"{number >> 16:x}:{number & 0xFFFF:x}"
    return [
        *(address, f"{address}.", str(number), hex(number), hex(number).upper(), f"0{number:o}"),
        *(f"{a}.{b}.{c << 8 | d}", f"{a}.{b << 16 | c << 8 | d}", f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        *(f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{b}.{c}.{d:#x}"),
        *(address.translate(CIRCLED), address.translate(WIDE), f"{address}%00.example.org", f"{address}%2f"),
        *(f"[::ffff:{address}]", f"[::ffff:{pair}]", f"[::{address}]", f"[64:ff9b::{pair}]"),
        *(f"[2002:{pair}::1]", f"[::ffff:0:{address}]", f"[64:ff9b:1::{pair}]", f"[::ffff:{address}%25lo]"),
        f"example.org@{address}",
        *(
            f"example.org\\@{address}",
            f"{address}#.example.org",
            f"{address}\t",
            f" {address}",
            f"//{address}",
        ),
    ]


async def test_no_spelling_of_a_private_address_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[object] = []
    loop = asyncio.get_running_loop()
    hosts = [host for address in PRIVATE for host in spellings(address)]
    urls = [f"{scheme}://{host}:1/" for host in hosts for scheme in ("http", "https")]
    poster = Poster(allow_http=True, allowed=())
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", lambda *given, **_: connected.append(given))
    begun = loop.time()
    replies = [await poster(Message(url=url, headers={}, body=b"")) for url in urls]
    poster.close()
    assert len(urls) > 400
    assert connected == []
    assert {reply.status for reply in replies} == {None}
    assert all(reply.error for reply in replies)
    assert loop.time() - begun < 30
