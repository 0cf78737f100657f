"""The API, the CLI and the supervising worker run where no model library is installed."""

import subprocess
import sys

import pytest

BLOCKED = """
import sys
for name in ("torch", "diffusers", "transformers", "soundfile", "numpy"):
    sys.modules[name] = None
import {module}
"""


@pytest.mark.parametrize(
    "module", ["app.main", "app.cli.serve", "app.cli.service", "app.cli.demo", "workers.main"]
)
def test_import(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(module=module)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
