import json
from typing import Any

import pytest

from app.domain.credentials import without_credentials
from app.domain.keys import make_key

SECRET = "the-operators-key"


@pytest.mark.parametrize(
    "request_body",
    [
        {"ai_token": SECRET},
        {"param_obj": {"ai_token": SECRET}},
        {"param_obj": json.dumps({"ai_token": SECRET, "bpm": 90})},
        {"metas": "{'ai_token' : '" + SECRET + "'}"},
        {"param_obj": json.dumps(json.dumps({"ai_token": SECRET}))},
        {"list": [[{"ai_token": [SECRET]}]]},
    ],
)
def test_no_token_is_kept(request_body: Any) -> None:
    assert SECRET not in json.dumps(without_credentials(request_body))


def test_a_key_in_any_other_field_is_not_kept_either() -> None:
    key = make_key()
    assert without_credentials({"api_key": f"Bearer {key}", "n": 1}) == {"api_key": "Bearer ace_***", "n": 1}


def test_everything_else_stays_as_it_was() -> None:
    body = {"prompt": "ai_token and ace_of_base", "bpm": None, "list": [1, {"x": True}], "text": '{"a": "b"}'}
    assert without_credentials(body) == body
