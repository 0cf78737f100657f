"""S7, S9, S10 and S13: what a body may say, how much of it, and how often."""

import asyncio
import csv
import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import StringIO
from typing import Any

import asyncpg
import httpx
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.integration.api.conftest import World
from tests.security.scale import IS_FULL, chance, share, tally

FORGED = {
    "status": ["succeeded", 1, 2, "running"],
    "state": ["succeeded"],
    "team_id": [1, 2, "team-b"],
    "team": ["team-b"],
    "task_id": ["00000000-0000-4000-8000-000000000000"],
    "id": [1, "00000000-0000-4000-8000-000000000000"],
    "seq": [1],
    "attempt": [7, -1],
    "attempts": [7],
    "worker_id": ["00000000-0000-4000-8000-000000000000"],
    "result": [{"items": []}, "[]"],
    "finished_at": ["2020-01-01T00:00:00Z"],
    "created_at": ["2020-01-01T00:00:00Z"],
    "lease_until": ["2099-01-01T00:00:00Z"],
    "queue_rank": ["2020-01-01T00:00:00Z"],
    "api_key_id": [1],
    "key_id": ["x"],
    "legal_hold": [True],
    "parent_id": ["00000000-0000-4000-8000-000000000000"],
    "kind": ["prompt"],
    "failures": [-100],
    "scopes": [["admin"]],
    "is_admin": [True],
    "role": ["admin"],
    "error_code": ["internal"],
    "config_path": ["/etc", "../../evil"],
    "checkpoint": ["/tmp/evil.pt"],
    "checkpoint_dir": ["/tmp/evil"],
    "model_path": ["/tmp/evil", "evil/repo"],
    "dit_path": ["/tmp/evil"],
    "lora_path": ["/tmp/evil"],
    "lora": [{"path": "/tmp/evil"}],
    "device": ["cuda:9"],
    "save_dir": ["/tmp/evil"],
    "scratch_dir": ["/tmp/evil"],
    "storage_key": ["o/1/x"],
    "inputs": [[{"path": "/etc/passwd", "origin": "server"}]],
    "__proto__": [{"status": "succeeded"}],
    "constructor": [{"prototype": {"status": "succeeded"}}],
    "__class__": ["x"],
    "__init__": [{"__globals__": {}}],
}
LEVELS: tuple[Callable[[str, Any], dict[str, Any]], ...] = (
    lambda name, value: {name: value},
    lambda name, value: {"param_obj": {name: value}},
    lambda name, value: {"param_obj": json.dumps({name: value})},
    lambda name, value: {"metas": {name: value}},
    lambda name, value: {"params": {name: value}},
    lambda name, value: {f"tasks.{name}": value},
)
_ROW = """
SELECT to_jsonb(t) - '{seq,created_at,run_after,queue_rank,id,request_id,api_key_id,progress_at}'::text[]
       || jsonb_build_object('params', p.params - '{seeds,lm_seed}'::text[],
                             'inputs', p.inputs, 'labels', p.labels)
FROM tasks t JOIN task_params p ON p.task_seq = t.seq WHERE t.id = $1
"""


async def test_s7_what_is_no_parameter_is_nowhere_in_the_row(
    patient: httpx.AsyncClient, database_url: str
) -> None:
    """Every row is equal to that of the plain request, but for what differs between any two."""
    connection = await asyncpg.connect(database_url)

    async def row(**body: Any) -> Any:
        response = await patient.post("/release_task", json={"prompt": "x"} | body)
        assert response.status_code == 200, (body, response.text)
        return json.loads(await connection.fetchval(_ROW, response.json()["data"]["task_id"]))

    plain = await row()
    every = [level(name, value) for name, values in FORGED.items() for value in values for level in LEVELS]
    assert len(every) >= 300
    with tally("S7") as counted:
        for body in chance("S7").sample(every, share(len(every), least=40)):
            found = await row(**body)
            changed = {name for name in plain if found[name] != plain[name]}
            counted.check(not changed and found.keys() == plain.keys(), (body, changed))
    await connection.close()


Body = Callable[[], bytes]
NUMBERS = ("NaN", "Infinity", "1e999", "-1e999", "1e308", "-1", "1e9", "1" + "0" * 5000, "1e-400", "null")
NUMERIC = (
    *(
        "audio_duration",
        "batch_size",
        "bpm",
        "inference_steps",
        "guidance_scale",
        "seed",
        "shift",
        "priority",
    ),
    *("lm_temperature", "lm_top_k", "cfg_interval_end", "repainting_start"),
)
TEXTUAL = ("lyrics", "prompt", "lm_negative_prompt", "sample_query", "key_scale", "audio_code_string")


def oversized() -> Iterator[tuple[str, Body]]:
    """Bodies that are too deep, too long, too many or no numbers, with the route they are for."""
    release, query = "/release_task", "/query_result"
    for depth in (65, 1000, 100_000, 900_000):
        yield release, lambda depth=depth: b'{"prompt":' + b"[" * depth + b"]" * depth + b"}"
        yield release, lambda depth=depth: b'{"a":' * depth + b"1" + b"}" * depth
        yield query, lambda depth=depth: b'{"task_id_list":' + b"[" * depth + b"]" * depth + b"}"
    for field in TEXTUAL:
        for length in (110_000, 1_900_000, 100_000_000):
            yield release, lambda field=field, length=length: b'{"%s":"%s"}' % (field.encode(), b"x" * length)
    for field in NUMERIC:
        for number in NUMBERS:
            yield release, lambda field=field, number=number: f'{{"{field}":{number}}}'.encode()
            yield release, lambda field=field, number=number: f'{{"{field}":"{number}"}}'.encode()
    for count in (1001, 30_000, 100_000, 1_000_000):
        yield query, lambda count=count: b'{"task_id_list":[' + b'"x",' * count + b'"x"]}'
        yield query, lambda count=count: json.dumps({"task_id_list": json.dumps(["x"] * count)}).encode()
        yield release, lambda count=count: b'{"timesteps":[' + b"0.5," * count + b"0.5]}"
        yield release, lambda count=count: b'{"timesteps":"' + b"0.5," * count + b'0.5"}'
        yield release, lambda count=count: b'{"labels":{' + named(count) + b"}}"
        yield release, lambda count=count: b"{" + named(count) + b"}"
        yield release, lambda count=count: b'{"seed":[' + b"1," * count + b"1]}"


def named(count: int) -> bytes:
    return b",".join(b'"%d":"x"' % number for number in range(count))


async def test_s9_an_oversized_body_is_refused_or_clamped_at_once(patient: httpx.AsyncClient) -> None:
    async def seconds(path: str, body: bytes) -> tuple[float, httpx.Response]:
        async def chunks() -> Any:
            for at in range(0, len(body), 65536):
                yield body[at : at + 65536]

        started = time.perf_counter()
        response = await patient.post(path, content=chunks(), headers={"content-type": "application/json"})
        return time.perf_counter() - started, response

    plain_s = statistics.median([(await seconds("/release_task", b'{"prompt":"x"}'))[0] for _ in range(15)])
    taken_s = []
    every = list(oversized())
    assert len(every) >= 280
    with tally("S9", least=60) as counted:
        for path, make in chance("S9").sample(every, share(len(every), least=60)):
            body = make()
            took_s, response = await seconds(path, body)
            if IS_FULL and took_s >= 0.1:  # the machine may have been busy: the best of three
                took_s = min([took_s, *[(await seconds(path, body))[0] for _ in range(2)]])
            taken_s.append(took_s)
            shown = (path, body[:60], response.status_code, round(took_s, 3))
            counted.check(response.status_code in (200, 400, 413), shown)
            if IS_FULL:
                counted.check(took_s < 0.1, shown)
    shown = {"plain": plain_s, "median": statistics.median(taken_s), "most": max(taken_s)}
    print({name: f"{each_s * 1000:.1f} ms" for name, each_s in shown.items()})  # noqa: T201
    assert statistics.median(taken_s) < 20 * plain_s


async def test_s10_a_flood_of_one_team_is_told_to_wait_and_no_other_is(
    world: World, database_url: str
) -> None:
    most_waiting = 5
    limits = await world.as_admin("PATCH", f"/v1/teams/{world.a.team_id}", json={"max_queued": most_waiting})
    assert limits.status_code == 200
    refused = 0
    with tally("S10") as counted:

        async def submit(number: int) -> None:
            nonlocal refused
            is_flood = number % 10 != 0
            tenant = world.a if is_flood else world.b
            response = await world.client.post("/release_task", json={"prompt": "x"}, headers=tenant.headers)
            if is_flood and response.status_code == 429:
                refused += 1
                counted.check(int(response.headers["retry-after"]) >= 1, dict(response.headers))
            else:
                counted.check(response.status_code == 200, (is_flood, response.status_code))

        count = share(100 * most_waiting, least=100)
        for at in range(0, count, 10):
            await asyncio.gather(*(submit(number) for number in range(at, at + 10)))
    assert refused == count * 9 // 10 - (most_waiting - 1), "one task of the team waited before"


STRINGS = (
    *(
        "' OR '1'='1",
        "'; DROP TABLE tasks; --",
        '"; DELETE FROM tasks',
        "1; SELECT pg_sleep(9)",
        "\\'; --",
        "$1",
        ":id",
    ),
    *(
        "%s%s%n",
        "%(id)s",
        "{0}",
        "{{7*7}}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{% raw %}",
        "{self.__class__}",
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "</textarea><svg/onload=1>",
    ),
    *(
        "a\r\nSet-Cookie: x=1",
        "a\nb",
        "a\tb",
        "\r\n\r\n<html>",
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        '=cmd|"/c calc"!A1',
        "\t=1",
    ),
    *(
        "\u202egnp.exe",
        "\ufeffx",
        "e\u0301",
        "\U0001f3b5" * 20,
        "\ud7ff",
        "\uffff",
        "\x7f",
        "\x01\x02",
        "\x00",
        "a\x00b",
    ),
    *(
        "../../etc/passwd",
        "file:///etc/passwd",
        "() { :;}; echo x",
        "`id`",
        "$(id)",
        "|id",
        "; id",
        "&& id",
        "%0a",
        "\\u0000",
    ),
    *(
        "<|im_start|>system",
        "<|audio_code_1|>",
        "</think>",
        "[inst]",
        "NaN",
        "null",
        "undefined",
        "-0",
        "true",
        "{}",
        "[]",
    ),
    *(
        "to_tsquery('a')",
        "a & b | !c",
        "a:*",
        "'a' <-> 'b'",
        "word\\",
        '"open',
        "((((",
        "* * *",
        "_",
        "%",
        "\\%",
    ),
)
TEXTS = (
    "prompt",
    "lyrics",
    "lm_negative_prompt",
    "sample_query",
    "key_scale",
    "vocal_language",
    "time_signature",
    "model",
)


def texts(count: int) -> list[str]:
    """The strings, each once, then pairs of them."""
    random = chance("S13")
    pairs = ("".join(random.sample(STRINGS, 2)) for _ in range(count - len(STRINGS)))
    return [*random.sample(STRINGS, min(count, len(STRINGS))), *pairs]


asking: ContextVar[bool] = ContextVar("asking", default=False)
"""Set in the test only: what runs in the background sends statements of its own."""


@contextmanager
def statements() -> Iterator[set[str]]:
    """Collect the text of every statement that requests send to the database."""
    seen: set[str] = set()

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if asking.get():
            seen.add(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def say(client: httpx.AsyncClient, world: World, text: str) -> list[httpx.Response]:
    """Send a text in every place that takes one."""
    header = text.encode("utf-8", "replace").replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")
    body = dict.fromkeys(TEXTS[:5], text) | {"labels": {"a": text}, "task_type": "text2music"}
    admin = {"authorization": world.admin.text}
    return [
        await client.post("/release_task", json={"prompt": text}),
        await client.post("/release_task", json=body, headers={"user-agent": header, "x-request-id": header}),
        await client.post("/release_task", data={"prompt": text, "lyrics": text}),
        await client.post("/release_task", json={"labels": {text: "x"}}),
        *[await client.post("/release_task", json={name: text}) for name in TEXTS[5:]],
        await client.post("/query_result", json={"task_id_list": [text]}),
        await client.get("/v1/tasks", params={"q": text}),
        await client.get("/v1/tasks", params={"label.a": text, "model": text}),
        await client.get("/v1/tasks", params={"cursor": text}),
        await client.get("/v1/tasks", params={text: text}),
        await client.get("/v1/usage", params={"group_by": text}),
        await client.post("/v1/keys", json={"name": text, "scopes": ["tasks:read"]}),
        await client.post("/v1/teams", json={"name": text}, headers=admin),
        await client.post("/create_random_sample", json={"sample_type": text}),
    ]


async def test_s13_a_text_is_data_wherever_it_is_sent(patient: httpx.AsyncClient, world: World) -> None:
    asking.set(True)
    with statements() as plain:
        for text in ("calm piano", "two", "word"):
            await say(patient, world, text)
            await say(patient, world, text)
    stored: list[tuple[str, str]] = []
    with tally("S13") as counted, statements() as seen:
        for text in texts(share(1000, least=15)):
            for response in await say(patient, world, text):
                right = response.status_code < 500 and "set-cookie" not in response.headers
                counted.check(right, (text, str(response.request.url), response.status_code))
            first = (await patient.post("/release_task", json={"prompt": text})).json()["data"]
            if first is not None:
                stored.append((first["task_id"], text))
        counted.findings += seen - plain
        for task_id, text in stored:
            raw = (await patient.get(f"/v1/tasks/{task_id}")).json()["data"]["parameters_raw"]
            counted.check(raw["prompt"] == text, (text, raw))
        exported = (await patient.get("/v1/tasks/export?format=csv")).text
        for row in csv.reader(StringIO(exported, newline="")):
            counted.check(not any(cell.startswith(("=", "+", "@")) for cell in row), row)
