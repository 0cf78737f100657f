"""The same flow with nothing but curl and a shell."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation

pytestmark = pytest.mark.inference

SCRIPT = """
set -eu
task=$(curl -sS --fail "$BASE/release_task" -H 'Content-Type: application/json' \
       -d '{"prompt": "upbeat pop song", "lyrics": "Hello world", "audio_duration": 10}' \
       | "$PYTHON" -c 'import json, sys; print(json.load(sys.stdin)["data"]["task_id"])')
for _ in $(seq 300); do
  curl -sS --fail "$BASE/query_result" -H 'Content-Type: application/json' \
       -d "{\\"task_id_list\\": [\\"$task\\"]}" > answer.json
  status=$("$PYTHON" -c 'import json; print(json.load(open("answer.json"))["data"][0]["status"])')
  [ "$status" = 0 ] || break
  sleep 0.1
done
[ "$status" = 1 ]
file=$("$PYTHON" -c 'import json
print(json.loads(json.load(open("answer.json"))["data"][0]["result"])[0]["file"])')
curl -sS --fail "$BASE$file" -o output.mp3
"""


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_submit_poll_and_download(service: Installation, tmp_path: Path) -> None:
    import sys

    import soundfile

    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        SCRIPT,
        env={"BASE": service.url, "PYTHON": sys.executable, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    info = soundfile.info(tmp_path / "output.mp3")
    assert (info.samplerate, info.channels) == (48000, 2)
    assert info.duration == pytest.approx(10, abs=0.05)
    entry = json.loads((tmp_path / "answer.json").read_text())["data"][0]
    assert (entry["progress_text"], entry["error"]) == ("done", None)
