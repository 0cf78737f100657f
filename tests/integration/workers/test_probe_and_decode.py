"""What the API accepts by its header is what the decoder opens, over one table of files good and odd."""

from io import BytesIO
from pathlib import Path

import pytest

from app.domain.errors import ValidationError
from app.domain.probe import probe
from inference.audio.answer import Decoded, Refusal
from inference.audio.decode import decode
from tests.odd_audio import CASES, Case

pytestmark = pytest.mark.inference


def outcome(content: bytes, folder: Path) -> float | str | Refusal:
    """What a client is told: seconds, or who refused it and how."""
    try:
        claim = probe(BytesIO(content), max_seconds=600)
    except ValidationError as error:
        return error.message
    (folder / "source").write_bytes(content)
    answer = decode(
        folder / "source",
        folder / "target",
        kind=claim.kind,
        start=claim.start,
        end=claim.end,
        max_seconds=600,
    )
    if isinstance(answer, Decoded):
        # A header may count the padding of a codec, and a torn file holds less than it told.
        assert claim.duration_s is None or claim.duration_s > answer.seconds - 0.01
        return answer.seconds
    return answer.reason


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_probe_and_decoder_agree(case: Case, tmp_path: Path) -> None:
    seen = outcome(case.content, tmp_path)
    match case.outcome:
        case float():
            assert seen == pytest.approx(case.outcome, abs=0.11)
        case Refusal():
            assert seen == case.outcome
        case str():
            assert isinstance(seen, str)
            assert seen.startswith(case.outcome)
