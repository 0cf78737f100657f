"""The wire of /format_input: both spellings of each value, and failures of the model as HTTP 200."""

from app.domain.errors import LanguageModelFailedError, QueueFullError
from tests.unit.api.fakes import Client, FakeServices

KEYS = {"caption", "lyrics", "bpm", "key_scale", "time_signature", "duration", "vocal_language"}
TWINS = {"keyscale": "key_scale", "timesignature": "time_signature", "language": "vocal_language"}


async def test_every_value_stands_under_its_names_and_the_user_wins(
    client: Client, fakes: FakeServices
) -> None:
    fakes.written = {"caption": "bright", "lyrics": "[Verse]", "bpm": 120, "duration": 175, "language": "de"}
    response = await client.post(
        "/format_input",
        data={"prompt": "pop", "param_obj": '{"duration": 180, "key": "Am", "language": "en"}'},
    )
    data = response.json()["data"]
    assert set(data) == KEYS | set(TWINS)
    assert all(data[twin] == data[name] for twin, name in TWINS.items())
    assert (data["caption"], data["bpm"], data["key_scale"]) == ("bright", 120, "Am")
    assert (data["duration"], data["vocal_language"]) == (180, "en")
    assert isinstance(data["duration"], int)


async def test_what_nobody_knows_is_null_empty_or_unknown(client: Client, fakes: FakeServices) -> None:
    fakes.written = {}
    data = (await client.post("/format_input", json={"prompt": "pop", "lyrics": "la"})).json()["data"]
    assert (data["caption"], data["lyrics"], data["bpm"], data["duration"]) == ("pop", "la", None, None)
    assert (data["key_scale"], data["time_signature"], data["vocal_language"]) == ("", "", "unknown")


async def test_a_failure_of_the_model_is_a_soft_error(client: Client, fakes: FakeServices) -> None:
    fakes.failures.append(LanguageModelFailedError("no answer within 120 seconds"))
    response = await client.post("/format_input", json={"prompt": "pop"})
    body = response.json()
    assert (response.status_code, body["code"], body["data"]) == (200, 500, None)
    assert body["error"] == body["detail"] == "no answer within 120 seconds"


async def test_too_many_waiting_is_429_with_a_time(client: Client, fakes: FakeServices) -> None:
    fakes.failures.append(QueueFullError("50 texts wait already", retry_after_s=2))
    response = await client.post("/format_input", json={"prompt": "pop"})
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
