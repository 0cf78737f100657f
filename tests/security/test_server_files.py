"""S4: no field of a request makes the API open a file or a connection, whatever it names."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
import pytest
import pytest_asyncio

from app.domain.errors import ValidationError
from app.domain.webhook_url import literal_address, parse_webhook_url
from app.main import build
from app.services.deliver import Message
from app.settings import load
from tests.builders import MODEL
from tests.integration.api.conftest import PEPPER, World, running
from tests.security.scale import chance, share, tally
from tests.security.watch import watching
from workers.post import Poster

ALIASES = (
    *("reference_audio_path", "ref_audio_path", "referenceAudioPath", "refAudioPath"),
    *("src_audio_path", "ctx_audio_path", "sourceAudioPath", "srcAudioPath", "ctxAudioPath"),
)
CARRIERS = (None, "param_obj", "metas", "meta", "metadata", "user_metadata", "userMetadata")
ENCODINGS = ("json", "json as text", "urlencoded", "multipart")
PATHS = (
    *("/etc/passwd", "/proc/self/environ", "/proc/self/fd/0", "/proc/1/maps", "/dev/zero", "/dev/random"),
    *(
        "/dev/stdin",
        "/dev/tty",
        "/etc",
        "/",
        "//etc/passwd",
        "/./etc/passwd",
        "/tmp/../etc/passwd",
        "/root/.pgpass",
    ),
    *(
        "file:///etc/passwd",
        "file:/etc/passwd",
        "s3://acestep/o/1/x",
        "\\\\host\\share\\x.wav",
        "~/x.wav",
        "x.wav",
    ),
    *(
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:1/x.wav",
        "http://[::1]/x.wav",
        "ftp://127.0.0.1/x",
    ),
    *(
        "https://example.org/v1/audio?path=/etc/passwd",
        "/v1/audio?path=/etc/passwd",
        "gopher://127.0.0.1:6379/_x",
    ),
    *(
        "concat:/etc/passwd",
        "subfile:/etc/passwd",
        "pipe:0",
        "data:audio/wav;base64,AAAA",
        "|id",
        "$(id)",
        "`id`",
    ),
)
HOSTS = (
    *(
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "0",
        "0.0.0.0",
    ),
    *("127.0.0.1.", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254", "0xa9fea9fe"),
    *(
        "2852039166",
        "224.0.0.1",
        "255.255.255.255",
        "198.18.0.1",
        "192.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "１２７.0.0.1",
    ),
    *("[::1]", "[::]", "[fc00::1]", "[fe80::1]", "[fe80::1%25lo]", "[ff02::1]", "[::ffff:127.0.0.1]"),
    *(
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::]",
    ),
    *("[2001:0:7f00:1::]", "[::127.0.0.1]", "[64:ff9b:1::7f00:1]", "[0:0:0:0:0:ffff:a00:1]"),
)
URLS = (
    *("https://{}/", "https://{}:443/x", "http://{}/", "https://user:pass@{}/", "https://example.org@{}/"),
    *("https://{}#x", "https://{}\\@example.org/", "//{}/", "HTTPS://{}/?a=1"),
)


def encoded(field: str, value: str, carrier: str | None, encoding: str) -> dict[str, Any]:
    """A request that names a path in a field of the body, or in one that carries others."""
    body: dict[str, Any] = {"task_type": "cover"} if "ref" not in field else {}
    inner = {field: value}
    if carrier is None:
        body |= inner
    else:
        body[carrier] = inner if encoding == "json" else json.dumps(inner)
    match encoding:
        case "json":
            return {"json": body}
        case "json as text":
            return {"content": json.dumps(body), "headers": {"content-type": "text/plain"}}
        case "urlencoded":
            content = urlencode(body)
            return {"content": content, "headers": {"content-type": "application/x-www-form-urlencoded"}}
        case _:
            return {"files": {name: (None, str(each)) for name, each in body.items()}}


def requests(foreign: str, folder: Path) -> Iterator[dict[str, Any]]:
    fifo, link = folder / "inputs" / "fifo.wav", folder / "inputs" / "link.wav"
    paths = [
        *PATHS,
        str(fifo),
        str(link),
        str(folder / "secret.wav"),
        f"{folder}/inputs/../secret.wav",
        foreign,
        f"/v1/audio?path={foreign}",
    ]
    for path in paths:
        for field in ALIASES:
            for carrier in CARRIERS:
                for encoding in ENCODINGS:
                    yield encoded(field, path, carrier, encoding)


@pytest_asyncio.fixture(params=["", "inputs"], ids=["no folder", "a folder"])
async def client(
    request: pytest.FixtureRequest, world: World, database_url: str, redis_url: str, tmp_path: Path
) -> Any:
    """The API of the world without folders of inputs, and with one that holds what must not be followed."""
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    os.mkfifo(inputs / "fifo.wav")
    (inputs / "link.wav").symlink_to(tmp_path / "secret.wav")
    settings = load(data_dir=tmp_path, config_path=MODEL, input_dirs=str(inputs) if request.param else "")
    app = await build(settings, database_url=database_url, redis_url=redis_url, pepper=PEPPER.encode())
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with (
        running(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", headers=world.a.headers) as client,
    ):
        yield client


def ports(*urls: str) -> tuple[str, ...]:
    return tuple(str(urlsplit(url).port) for url in urls)


async def test_s4_no_path_is_opened_and_no_address_asked(
    client: httpx.AsyncClient, world: World, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    own = await client.post("/release_task", json={"reference_audio_path": world.a.audio})
    assert own.status_code == 200, "else nothing below would say much"
    every = list(requests(world.b.audio, tmp_path))
    chosen = chance("S4").sample(every, share(1000, least=60))
    texts = set()
    with tally("S4") as counted:
        with watching(servers=ports(database_url, redis_url)) as seen:
            for request in chosen:
                response = await client.post("/release_task", **request)
                texts.add(response.json()["error"])
                counted.check(response.status_code == 400, (request, response.status_code))
        # A folder that the operator opened may be looked into, never a file that is not a plain one.
        counted.findings += [each for each in seen if each[1] not in allowed(tmp_path)]
    assert texts == {"audio path not available"}


def allowed(folder: Path) -> set[str]:
    """The folder of inputs and the pipe in it, which is opened without waiting, looked at and closed."""
    return {str(folder / "inputs"), "fifo.wav"}


async def test_s4_no_webhook_reaches_a_private_address(
    world: World, database_url: str, redis_url: str
) -> None:
    every = [url.format(host) for host in HOSTS for url in URLS]
    chosen = chance("webhooks").sample(every, share(len(every), least=40))
    poster = Poster(allow_http=True, allowed=(), limit_s=5)
    assert len(every) >= 300
    with tally("S4") as counted:
        with watching(servers=ports(database_url, redis_url)) as seen:
            for url in chosen:
                response = await world.client.post(
                    "/release_task", json={"webhook_url": url}, headers=world.a.headers
                )
                counted.check(response.status_code in (200, 400), (url, response.status_code))
                endpoint = await world.client.post(
                    "/v1/teams/me/webhooks", json={"url": url}, headers=world.a.headers
                )
                counted.check(endpoint.status_code == 400, (url, endpoint.status_code))
                try:
                    parsed = parse_webhook_url(url, allow_http=True)
                except ValidationError:
                    continue
                assert literal_address(parsed) is not None, "a name would be asked for in the network"
                reply = await poster(Message(url=url, headers={}, body=b"{}"))
                counted.check(reply.error == "the address is not allowed", (url, reply))
        # Asking the resolver about an address in digits asks nobody.
        counted.findings += [each for each in seen if each[0] != "socket.getaddrinfo"]
    poster.close()
