"""S2 and S3: audio is found by the text of its path within the team, and by nothing else."""

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.integration.api.conftest import World
from tests.security.scale import chance, share, tally

TARGETS = (
    *("etc/passwd", "proc/self/environ", "proc/self/cmdline", "dev/zero", "dev/stdin", "root/.ssh/id_rsa"),
    *("secrets.json", "stack.json", "pg/PG_VERSION", "objects", "windows/win.ini", "app/settings.py"),
)
STEPS = (
    *(
        "../",
        "..\\",
        "..%2f",
        "..%5c",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%252f",
        "%252e%252e%252f",
        "....//",
        "..;/",
    ),
    *(
        "..%c0%af",
        "%c0%ae%c0%ae/",
        "..%e0%80%af",
        "%e0%80%ae%e0%80%ae/",
        "..%ef%bc%8f",
        "‥/",
        "．．／",
        "..\u2215",
    ),
)
FRONTS = (
    *(
        "",
        "/",
        "//",
        "///",
        "\\\\",
        "\\\\?\\",
        "\\\\localhost\\c$\\",
        "file:",
        "file://",
        "file:///",
        "audio/",
    ),
    *(
        "s3://acestep/",
        "s3:",
        "http://127.0.0.1/",
        "https://169.254.169.254/",
        "data:audio/wav;base64,",
        "~/",
    ),
    *("C:\\", "/proc/self/root/", "/proc/self/fd/0/", "objects/", "o/1/", "i/1/", "./", "$HOME/", "`id`/"),
)
BACKS = (
    "",
    "\0",
    "%00",
    "%00.wav",
    "\0.wav",
    "?",
    "#",
    ".wav",
    "/",
    "\r\nX-Evil: 1",
    "%0d%0aX-Evil:%201",
    " ",
    "/..",
)


async def test_s2_foreign_deleted_and_guessed_audio_is_unknown(world: World) -> None:
    random = chance("S2")
    guesses = [
        f"audio/{random.randbytes(16).hex()}.{random.choice(('wav', 'mp3', 'flac', 'ogg'))}"
        for _ in range(share(5000, least=60))
    ]
    near = [world.a.audio.replace(".wav", ending) for ending in (".mp3", "", ".wav.wav", ".WAV", ".wav2")]
    near += [
        world.a.audio[:-5] + digit + ".wav" for digit in "0123456789abcdef" if digit != world.a.audio[-5]
    ]
    unknown = await ask(world, f"audio/{secrets.token_hex(16)}.wav")
    with tally("S2", least=80) as counted:
        for path in (*guesses, *near, world.b.audio, "/" + world.b.audio):
            for verb in ("GET", "HEAD"):
                response = await ask(world, path, verb=verb)
                counted.check(response.status_code == 404, (verb, path, response.status_code))
                counted.check(verb == "HEAD" or plain(response) == plain(unknown), (path, response.text))
        assert (await ask(world, world.a.audio)).status_code == 200
        erased = await world.client.delete(f"/v1/tasks/{world.a.done}", headers=world.a.headers)
        assert erased.status_code == 200
        for verb in ("GET", "HEAD"):
            response = await ask(world, world.a.audio, verb=verb)
            counted.check(response.status_code == 404, (verb, "deleted own audio", response.status_code))
            counted.check(verb == "HEAD" or plain(response) == plain(unknown), response.text)


async def test_s3_no_form_of_a_path_leads_out_of_the_table(world: World, tmp_path: Path) -> None:
    (tmp_path / "objects" / "link.wav").symlink_to("/etc/passwd")
    unknown = plain(await ask(world, f"audio/{secrets.token_hex(16)}.wav"))
    paths = list(hostile_paths(world.a.audio))
    chosen = chance("S3").sample(paths, share(len(paths), least=150))
    assert len(paths) >= 2000
    with tally("S3", least=300) as counted:
        for path in (*chosen, "link.wav", "objects/link.wav", str(tmp_path / "objects" / "link.wav")):
            for query in (f"path={quote(path, safe='')}", "path=" + "".join(raw(char) for char in path)):
                response = await world.client.get(f"/v1/audio?{query}", headers=world.a.headers)
                right = response.status_code == 404 and plain(response) == unknown
                counted.check(right and "x-evil" not in response.headers, (query, response.status_code))
        absent = await world.client.get("/v1/audio", headers=world.a.headers)
        counted.check(absent.status_code == 400, absent.status_code)


def hostile_paths(own: str) -> Iterator[str]:
    """Ways to name what lies outside of the store, and ways to spell an own path wrongly."""
    for target in TARGETS:
        for front in FRONTS:
            yield front + target
            yield from (front + target + back for back in BACKS[1:7])
        for step in STEPS:
            yield from (step * depth + target for depth in (1, 3, 8))
            yield f"audio/{step * 4}{target}"
            yield f"{own}/{step * 4}{target}"
    yield from (own + back for back in BACKS[1:])
    yield from (own.replace("/", step) for step in ("//", "\\", "%2f", "/./", "/../audio/"))
    yield from (
        own.upper(),
        own.replace("audio", "Audio"),
        own.replace("a", "а"),
        f"{own},{own}",
        f"{own}\n{own}",
    )
    yield from (
        own.translate(str.maketrans("0123456789", "０１２３４５６７８９")),
        "a" * 10_000,
        "audio/" + "0" * 5000,
    )


def raw(char: str) -> str:
    """What a client would put there that does not escape; but for what ends a query or is no URL."""
    return char if char.isascii() and char.isprintable() and char not in " #&+" else quote(char)


async def ask(world: World, path: str, *, verb: str = "GET") -> httpx.Response:
    return await world.client.request(verb, "/v1/audio", params={"path": path}, headers=world.a.headers)


def plain(response: httpx.Response) -> tuple[object, ...]:
    """What a client sees, but for the time and the number of the request."""
    shown = response.json() | {"timestamp": 0}
    return response.status_code, shown, {**response.headers, "x-request-id": ""}
