"""The OpenAPI document against the table and the routes; the fuzz test holds it against real answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.api.config import HttpConfig
from app.api.openapi import document
from app.api.routes import PAGES, create_app
from app.domain.offers import Limits
from app.domain.params import PARAMETERS
from tests.unit.api.fakes import TEAM, Connect, FakeServices

CONFIG = HttpConfig(default_team_id=TEAM, limits=Limits(max_duration_s=120, prompt_chars=99), max_query_ids=5)
DOCUMENT = document(CONFIG)
SCHEMAS = DOCUMENT["components"]["schemas"]
BODIES = ("ReleaseTask", "ReleaseTaskForm", "ReleaseTaskFiles")


def routes(fakes: FakeServices) -> Iterator[tuple[str, str]]:
    """Every route below `/` but the pages, as (path, verb)."""
    app = create_app(fakes.services(), CONFIG)
    pages = {path for page in PAGES for path in page.paths}
    for route in app.routes:
        for verb in getattr(route, "methods", ()):
            if not route.path.startswith("/api") and route.path not in pages and verb != "OPTIONS":
                yield route.path_format, verb.lower()


def test_it_is_valid() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_it_names_exactly_the_routes_of_the_application(fakes: FakeServices) -> None:
    described = {(path, verb) for path, verbs in DOCUMENT["paths"].items() for verb in verbs}
    assert described == set(routes(fakes))


async def test_it_is_sent_without_a_key_and_below_the_prefix(connect: Connect) -> None:
    async with connect(bootstrap_key="boss") as client:
        first, second = await client.get("/openapi.json"), await client.get("/api/openapi.json")
    assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
    assert first.content == second.content
    assert first.json()["openapi"] == "3.1.0"


@pytest.mark.parametrize("body", BODIES)
def test_every_parameter_stands_under_every_name(body: str) -> None:
    properties = SCHEMAS[body]["properties"]
    names = {name for parameter in PARAMETERS for name in parameter.names}
    assert names < set(properties)
    assert {"ai_token", "param_obj", "metas", "userMetadata", "priority", "labels"} < set(properties)


@pytest.mark.parametrize("body", BODIES)
def test_ranges_defaults_and_choices_are_those_of_the_table(body: str) -> None:
    properties = SCHEMAS[body]["properties"]
    for parameter in PARAMETERS:
        described = properties[parameter.name]
        assert described.get("default") in (parameter.default, str(parameter.default))
        assert described.get("minimum") == parameter.minimum
        if parameter.choices:
            assert set(parameter.choices) == set(described["enum"]) - {None}
    assert properties["audio_duration"]["maximum"] == 120
    assert (properties["prompt"]["maxLength"], properties["caption"]["maxLength"]) == (99, 99)
    assert properties["keyScale"]["description"] == "Another name of `key_scale`."


def test_only_the_multipart_body_has_files() -> None:
    content = DOCUMENT["paths"]["/release_task"]["post"]["requestBody"]["content"]
    by_type = {kind: content[kind]["schema"]["$ref"].rsplit("/")[-1] for kind in content}
    assert by_type == {
        "application/json": "ReleaseTask",
        "application/x-www-form-urlencoded": "ReleaseTaskForm",
        "multipart/form-data": "ReleaseTaskFiles",
    }
    files = set(SCHEMAS["ReleaseTaskFiles"]["properties"]) - set(SCHEMAS["ReleaseTaskForm"]["properties"])
    assert files == {"ref_audio", "reference_audio", "ctx_audio", "src_audio"}


def test_every_key_of_an_answer_is_required() -> None:
    for name in ("AcceptedTask", "Entry", "ClipItem", "StateItem", "SampleText", "Failure"):
        assert SCHEMAS[name]["required"] == list(SCHEMAS[name]["properties"])


def test_errors_of_the_routes() -> None:
    def statuses(path: str, verb: str) -> set[str]:
        return set(DOCUMENT["paths"][path][verb]["responses"])

    accepted = {"200", "400", "401", "403", "409", "413", "415", "429", "500", "503"}
    assert statuses("/release_task", "post") == accepted
    assert {"206", "304", "404", "416"} < statuses("/v1/audio", "get")
    assert not {"401", "403"} & statuses("/health", "get")


def test_the_text_of_a_result_has_a_schema_of_its_own() -> None:
    result: dict[str, Any] = SCHEMAS["Entry"]["properties"]["result"]
    assert (result["type"], result["contentMediaType"]) == ("string", "application/json")
    assert "ClipItem" in json.dumps(result["contentSchema"])
