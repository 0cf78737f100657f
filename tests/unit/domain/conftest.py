from collections.abc import Callable, Collection
from typing import Any

import pytest

from app.domain.inputs import Role
from app.domain.offers import ModelOffer, Offers
from app.domain.submission import parse_submission
from app.domain.task import Submission

TURBO = "acestep-v15-turbo"
BASE = "acestep-v15-base"

Parse = Callable[..., Submission]


@pytest.fixture
def parse() -> Parse:
    """Parse a JSON body against an installation with a turbo, a base and a language model."""

    def run(
        body: dict[str, Any],
        *,
        content_type: str = "application/json",
        uploaded: Collection[Role] = (),
        **offers: Any,
    ) -> Submission:
        settings: dict[str, Any] = {
            "models": [ModelOffer(name=TURBO, category="turbo"), ModelOffer(name=BASE, category="base")],
            "default_model": TURBO,
            "lm_offered": True,
            "lm_names": ["acestep-5Hz-lm-0.6B", "acestep-5Hz-lm-1.7B"],
            "default_lm": "acestep-5Hz-lm-0.6B",
        }
        return parse_submission(
            body, content_type=content_type, offers=Offers(**(settings | offers)), uploaded=uploaded
        )

    return run
