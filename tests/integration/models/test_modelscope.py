"""ModelScope by its own client, from a server on loopback; only hashes tell equal files."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from inference.models import record

pytest.importorskip("modelscope_hub")

FILES = {
    "made-up/config.json": b"{}",
    "made-up/model.safetensors": b"weights",
    "other/model.safetensors": b"no",
}
OWN = '[made-up]\nrepo = "someone/repo"\nsubfolder = "made-up"\nlayout = "plain"\nkind = "language"\n'


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/api/v1/models/someone/repo/repo/files":
            files = [
                {
                    "Path": path,
                    "Size": len(content),
                    "Sha256": hashlib.sha256(content).hexdigest(),
                    "Type": "blob",
                }
                for path, content in FILES.items()
            ]
            self._answer(json.dumps({"Code": 200, "Success": True, "Data": {"Files": files}}).encode())
        elif asked.path == "/api/v1/models/someone/repo/repo":
            self._answer(FILES[parse_qs(asked.query)["FilePath"][0]])
        else:
            self.send_error(404)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def download(models_dir: Path, endpoint: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "inference", "models", "download", "made-up", "--source", "modelscope"]
    return subprocess.run(
        [*command, "--models-dir", str(models_dir)],
        env={**os.environ, "MODELSCOPE_ENDPOINT": endpoint, "MODELSCOPE_CACHE": str(models_dir / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_files_come_from_modelscope_without_a_commit(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "models.toml").write_text(OWN)
    done = download(tmp_path, endpoint)
    assert done.returncode == 0, done.stderr
    kept = record.read(tmp_path / "made-up")
    assert kept is not None
    assert (kept.source, kept.revision, set(kept.files)) == (
        *("modelscope", None),
        {"config.json", "model.safetensors"},
    )
    assert sorted(path.name for path in (tmp_path / "made-up").iterdir()) == [
        ".complete",
        *sorted(kept.files),
    ]


def test_other_weights_than_those_of_the_table_are_refused(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "models.toml").write_text(f'{OWN}sha256 = {{"model.safetensors" = "{"0" * 64}"}}\n')
    refused = download(tmp_path, endpoint)
    assert refused.returncode == 1
    assert "is not the file it should be" in refused.stderr


def test_a_repository_that_is_not_there_is_told_in_one_line(tmp_path: Path, endpoint: str) -> None:
    (tmp_path / "models.toml").write_text(OWN.replace("someone/repo", "someone/else"))
    refused = download(tmp_path, endpoint)
    assert refused.returncode == 1
    assert "Error: ModelScope: " in refused.stderr
    assert "Traceback" not in refused.stderr
