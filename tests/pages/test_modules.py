"""The modules that both pages share, called inside the browser."""

from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser import call

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("hash_", "path", "query"),
    [
        ("#/tasks?state=failed&state=queued", ["tasks"], {"state": ["failed", "queued"]}),
        ("#/tasks/a%2Fb?q=a+b%26c", ["tasks", "a/b"], {"q": ["a b&c"]}),
        ("", [], {}),
        ("#/x%zz", ["x%zz"], {}),
    ],
)
async def test_a_place_is_read_from_the_hash(bare: Page, hash_: str, path: list[str], query: Any) -> None:
    assert await call(bare, "lib/router.js", "m.parseHash(given)", hash_) == {"path": path, "query": query}


async def test_a_place_survives_being_written(bare: Page) -> None:
    place = {"path": ["tasks", "ü/?#"], "query": {"q": ["two words", "é"], "a": ["1"]}}
    written = await call(bare, "lib/router.js", "m.formatHash(given.path, given.query)", place)
    assert await call(bare, "lib/router.js", "m.parseHash(given)", written) == place
    assert written.index("a=1") < written.index("q=")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1:30", 90),
        ("1:02:03.5", 3723.5),
        ("-5", -5),
        ("1,5", 1.5),
        ("x", None),
        ("1:2:3:4", None),
    ],
)
async def test_a_length_is_read_as_people_write_it(bare: Page, text: str, seconds: float | None) -> None:
    assert await call(bare, "lib/format.js", "m.parseClock(given)", text) == seconds


@pytest.mark.parametrize(
    ("seconds", "digits", "text"),
    [(0, 0, "0:00"), (65, 0, "1:05"), (59.96, 1, "1:00.0"), (3723.25, 2, "1:02:03.25"), (-2, 0, "-0:02")],
)
async def test_a_length_is_written_as_a_clock(bare: Page, seconds: float, digits: int, text: str) -> None:
    assert await call(bare, "lib/format.js", "m.clockText(...given)", [seconds, digits]) == text


async def test_amounts_follow_the_language(bare: Page) -> None:
    write = "(([tag, name, value]) => m.createFormat(tag, 'UTC')[name](value))(given)"
    assert await call(bare, "lib/format.js", write, ["it", "number", 1234.5]) == "1234,5"
    assert await call(bare, "lib/format.js", write, ["en", "bytes", 1_500_000]) == "1.5 MB"
    assert await call(bare, "lib/format.js", write, ["en", "seconds", 3700]) == "1h 1m"
    assert await call(bare, "lib/format.js", write, ["ko", "number", None]) == "–"


async def test_a_file_name_holds_nothing_that_file_systems_refuse(bare: Page) -> None:
    name = await call(bare, "lib/format.js", "m.fileName(given, 'wav')", "../비 오는/piano: <b>")
    assert name == "비-오는-piano-b.wav"
    assert await call(bare, "lib/format.js", "m.fileName('///', 'wav')") == "audio.wav"


async def test_texts_choose_plurals_and_fill_places(bare: Page) -> None:
    texts = {"n.one": "{count} task", "n.other": "{count} tasks", "hi": "Hello {name} {lost}"}
    ask = "(([tag, texts, key, values]) => m.createTexts(tag, texts)(key, values))(given)"
    assert await call(bare, "lib/i18n.js", ask, ["en", texts, "n", {"count": 1}]) == "1 task"
    assert await call(bare, "lib/i18n.js", ask, ["en", texts, "n", {"count": 1200}]) == "1,200 tasks"
    assert await call(bare, "lib/i18n.js", ask, ["en", texts, "hi", {"name": "<b>"}]) == "Hello <b> {lost}"
    assert await call(bare, "lib/i18n.js", ask, ["ko", texts, "gone", {}]) == "gone"


async def test_the_language_is_the_one_kept_else_the_browsers(bare: Page) -> None:
    pick = "m.pickLanguage(...given)"
    assert await call(bare, "lib/i18n.js", pick, ["ko", ["it-IT"]]) == "ko"
    assert await call(bare, "lib/i18n.js", pick, [None, ["fr-FR", "it-IT"]]) == "it"
    assert await call(bare, "lib/i18n.js", pick, ["xx", ["fr"]]) == "en"


async def test_events_are_read_whatever_the_pieces(bare: Page) -> None:
    text = 'id: 7\nevent: state\ndata: {"state":"running"}\n\n: still here\n\nid: 8\n\n'
    ask = "(() => { const read = m.createReader(); return [...given].flatMap((piece) => read(piece)); })()"
    events = await call(bare, "lib/stream.js", ask, text)
    assert events[0] == {"id": "7", "kind": "state", "data": {"state": "running"}}
    assert [event["id"] for event in events] == ["7", None, "8"]


async def test_waits_grow_and_end_at_15_seconds(bare: Page) -> None:
    ask = "[1, 2, 3, 4, 5, 9].map((failures) => m.waitSeconds(failures, () => given))"
    assert await call(bare, "lib/stream.js", ask, 0.5) == [1, 2, 4, 8, 15, 15]
    assert await call(bare, "lib/stream.js", "m.waitSeconds(1, () => 0)") == pytest.approx(0.8)


async def test_an_error_in_a_good_status_is_an_error(bare: Page) -> None:
    ask = """(async () => {
      const answer = (status, body, headers = {}) =>
        async () => new Response(JSON.stringify(body), { status, headers });
      const api = (fetch) => m.createApi({ base: "http://x/", key: () => "", fetch });
      const caught = (promise) => promise.catch(({ status, code, text, retryAfter, requestId }) =>
        ({ status, code, text, retryAfter, requestId }));
      return [
        await api(answer(200, { code: 200, data: { a: 1 } })).get("/v1/stats"),
        await caught(api(answer(200, { code: 500, error: "the model failed" })).post("/format_input")),
        await caught(api(answer(429, { code: 429, error: "full" }, given)).get("/x")),
      ];
    })()"""
    good, soft, full = await call(bare, "lib/api.js", ask, {"Retry-After": "7", "X-Request-Id": "r"})
    assert good == {"a": 1}
    assert (soft["status"], soft["code"], soft["text"]) == (200, 500, "the model failed")
    assert (full["retryAfter"], full["requestId"]) == (7, "r")


async def test_a_refused_request_runs_again_with_the_new_key(bare: Page) -> None:
    ask = """(async () => {
      let key = "old";
      const sent = [];
      const fetch = async (address, { headers }) => {
        sent.push(headers.Authorization);
        const code = headers.Authorization === "Bearer new" ? 200 : 401;
        return new Response(JSON.stringify({ code, data: 1, error: "invalid" }), { status: code });
      };
      const onUnauthorized = async () => { key = "new"; };
      const api = m.createApi({ base: "http://x/", key: () => key, fetch, onUnauthorized });
      return [await api.get("/v1/stats"), sent];
    })()"""
    assert await call(bare, "lib/api.js", ask) == [1, ["Bearer old", "Bearer new"]]


async def test_an_address_repeats_lists_and_leaves_out_what_is_empty(bare: Page) -> None:
    params = {"state": ["failed", "queued"], "q": "a&b", "seed": "", "team": None}
    address = await call(bare, "lib/api.js", "m.addressOf('http://h/api/', '/v1/tasks', given)", params)
    assert address == "http://h/api/v1/tasks?state=failed&state=queued&q=a%26b"


async def test_a_store_tells_a_view_of_its_own_part_only(bare: Page) -> None:
    ask = """(() => {
      const store = m.createStore((state, event) => ({ ...state, ...event }), { a: 1, b: 1 });
      const seen = [];
      const stop = store.watch(({ a }) => a, (a) => seen.push(a));
      store.send({ b: 2 }); store.send({ a: 2 }); stop(); store.send({ a: 3 });
      return seen;
    })()"""
    assert await call(bare, "lib/store.js", ask) == [1, 2]


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("warm piano", "warm old piano", [("same", "warm "), ("new", "old "), ("same", "piano")]),
        ("a b", "a c", [("same", "a "), ("old", "b"), ("new", "c")]),
        ("", "", []),
    ],
)
async def test_a_difference_is_found_word_by_word(
    bare: Page, before: str, after: str, parts: list[Any]
) -> None:
    found = await call(bare, "ui/diff.js", "m.diffWords(...given)", [before, after])
    assert [(part["kind"], part["text"]) for part in found] == parts


@pytest.mark.parametrize(("top", "step"), [(7, 2), (100, 20), (0.3, 0.1), (1, 0.2), (1234, 500)])
async def test_an_axis_has_round_steps(bare: Page, top: float, step: float) -> None:
    assert await call(bare, "ui/chart.js", "m.roundStep(given)", top) == pytest.approx(step)


async def test_a_pressed_key_has_one_name(bare: Page) -> None:
    ask = "given.map((event) => m.keyName(event))"
    events = [
        {"key": "Enter", "ctrlKey": True},
        {"key": "S", "shiftKey": True},
        {"key": "?", "shiftKey": True},
        {"key": " "},
    ]
    assert await call(bare, "lib/keys.js", ask, events) == ["Ctrl+Enter", "Shift+s", "?", "Space"]
