"""A Hugging Face hub on loopback: the few endpoints that a download asks for, and the faults a test wants."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "cafe"


@dataclass
class Hub:
    """Repositories by name, and what happened.

    Attributes:
        repos: folders with the files of each repository.
        sizes: sizes that the hub claims, by path, where they are not the real ones.
        contents: what the hub sends for a path, where it is not the file's content.
        cuts: bytes of a file after which the connections that come next are cut, one entry a connection.
        stall_after: bytes of a file after which nothing more comes.
        refuses: whether every request for a file is answered by 503.
        ranges: path and Range header of every request for a file.
    """

    repos: dict[str, Path]
    url: str = ""
    commit: str = COMMIT
    sizes: dict[str, int] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    stall_after: int | None = None
    refuses: bool = False
    ranges: list[tuple[str, str | None]] = field(default_factory=list)
    closing: Event = field(default_factory=Event)

    def describe(self, repo: str) -> dict[str, Any]:
        """Answer of /api/models/REPO/revision/REVISION?blobs=true."""
        root = self.repos[repo]
        paths = sorted(path for path in root.rglob("*") if path.is_file())
        siblings = [self._sibling(path.relative_to(root).as_posix(), path.read_bytes()) for path in paths]
        return {"id": repo, "sha": self.commit, "siblings": siblings}

    def _sibling(self, name: str, content: bytes) -> dict[str, Any]:
        """One file; as on the real hub only large files have a SHA-256."""
        size = self.sizes.get(name, len(content))
        git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        described: dict[str, Any] = {"rfilename": name, "size": size, "blobId": git.hexdigest()}
        if name.endswith((".safetensors", ".pt")):
            sha256 = hashlib.sha256(content).hexdigest()
            described["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
        return described

    def fetched(self) -> list[str]:
        """Paths of all files that were asked for."""
        return [path for path, _ in self.ranges]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/(.+?)(?:/revision/(.+))?", path):
            self._answer_info(match[1], match[2])
        elif match := re.fullmatch(r"/(.+?)/resolve/([0-9a-f]{40})/(.+)", path):
            self._answer_file(self.hub.repos[match[1]], match[3])
        else:
            self._start(404, 0)

    def _answer_info(self, repo: str, revision: str | None) -> None:
        if repo not in self.hub.repos:
            self._start(404, 0, {"X-Error-Code": "RepoNotFound"})
        elif revision not in (None, "main", self.hub.commit):
            self._start(404, 0, {"X-Error-Code": "RevisionNotFound"})
        else:
            body = json.dumps(self.hub.describe(repo)).encode()
            self._start(200, len(body))
            self.wfile.write(body)

    def _answer_file(self, root: Path, name: str) -> None:
        if self.hub.refuses:
            self._start(503, 0)
            return
        wanted = self.headers.get("Range")
        self.hub.ranges.append((name, wanted))
        content = self.hub.contents.get(name, (root / name).read_bytes())
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if wanted else {}
        self._start(206 if wanted else 200, len(content) - start, {"X-Repo-Commit": self.hub.commit, **span})
        if self.hub.cuts and len(content) > self.hub.cuts[0]:
            self.wfile.write(content[start : self.hub.cuts.pop(0)])
            self.close_connection = True
        elif self.hub.stall_after is not None and len(content) > self.hub.stall_after:
            self.wfile.write(content[start : self.hub.stall_after])
            self.wfile.flush()
            self.hub.closing.wait()
            self.close_connection = True
        else:
            self.wfile.write(content[start:])

    def _start(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@contextmanager
def a_hub(repos: dict[str, Path]) -> Iterator[Hub]:
    hub = Hub(repos)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
