import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import ValidationError
from app.domain.offers import ModelOffer, Offers
from app.domain.params import PARAMETERS
from app.domain.submission import parse_submission

OFFERS = Offers(
    models=[ModelOffer(name="acestep-tiny-random", category="turbo")], default_model="acestep-tiny-random"
)
LM_OFFERS = Offers(models=OFFERS.models, default_model=OFFERS.default_model, lm_offered=True)
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "parser_vectors.json").read_text("utf-8"))

TEXT = st.text('abeuNTl019-+., /:{}[]"é♪\\')
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXT, children, max_size=4),
    max_leaves=8,
)
CARRIERS = ("param_obj", "metas", "metadata", "labels", "priority", "webhook_url")
NAMES = st.sampled_from([*(name for p in PARAMETERS for name in p.names), *CARRIERS])


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_the_vector_is_read_as_written(vector: dict[str, Any]) -> None:
    offers = LM_OFFERS if vector["params"].get("thinking") else OFFERS
    params = parse_submission(vector["body"], content_type="application/json", offers=offers).params
    assert {name: params[name] for name in vector["params"]} == vector["params"]


@settings(deadline=None)
@given(body=st.dictionaries(NAMES, JSON_VALUES, max_size=6), offers=st.sampled_from([OFFERS, LM_OFFERS]))
def test_any_body_is_parsed_or_refused(body: dict[str, Any], offers: Offers) -> None:
    try:
        submission = parse_submission(body, content_type="application/json", offers=offers)
    except ValidationError:
        return
    assert json.loads(json.dumps(submission.params)) == submission.params
    assert 1 <= submission.params["batch_size"] <= 8
    assert len(submission.params["seed"]) == submission.params["batch_size"]
    assert all(seed is None or 0 <= seed < 2**32 for seed in submission.params["seed"])
    duration = submission.params["audio_duration"]
    assert duration is None or 10 <= duration <= 600
