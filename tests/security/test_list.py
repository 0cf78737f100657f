"""The list of docs/security.md is the one that `make security` runs."""

import re
from pathlib import Path

from tests.security.__main__ import ROWS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"


def test_every_row_is_run_and_described() -> None:
    lines = re.findall(
        r"^\| (S\d+[ a-z]*) \| ([\d, ]+) \| .* \| (`tests/.*?`) \|", DOCUMENT.read_text(), re.MULTILINE
    )
    described = {number: (owasp, set(re.findall(r"`(.*?)`", tests))) for number, owasp, tests in lines}
    assert described.keys() == ROWS.keys()
    for number, row in ROWS.items():
        owasp, tests = described[number]
        assert owasp == row.owasp
        assert tests <= {part for part in row.tests if part.startswith("tests/")}
        assert all((DOCUMENT.parents[1] / test).is_file() for test in tests)
