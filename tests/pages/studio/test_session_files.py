"""Sessions as values and files: nothing is lost on the way, and nothing broken comes in."""

import base64
import io
import json
import random
import zipfile
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser import call

pytestmark = pytest.mark.browser

# Sends a session out and back, as a zip with audio and as JSON; says what differs.
ROUND = """(async () => {
  const strange = [];
  for (const session of given) {
    const audio = new Map(session.sources.map(({ id }) => [id, new Blob([id.repeat(50)])]));
    const zip = await m.openFile(await m.asZip(session, audio));
    const json = await m.openFile(m.asJson(session));
    if (JSON.stringify(zip.session) !== JSON.stringify(session)) strange.push("zip");
    if (JSON.stringify(json.session) !== JSON.stringify(session)) strange.push("json");
    for (const [id, blob] of audio) {
      if (await zip.audio.get(id)?.text() !== await blob.text()) strange.push(id);
    }
  }
  return strange;
})()"""
REFUSED = """(async () => {
  const said = [];
  for (const file of given) {
    const bytes = Uint8Array.from(atob(file), (letter) => letter.charCodeAt(0));
    const opened = m.openFile(new Blob([bytes]));
    said.push(await opened.then(() => "opened", (error) => error.reason ?? `?${error.message}`));
  }
  return said;
})()"""


def a_session(seed: int = 1) -> dict[str, Any]:
    draw = random.Random(seed)
    sources = [
        {
            "id": f"s{number}",
            "name": draw.choice(["drums", "목소리", "é<b>", ""]),
            "samples": draw.randrange(10**7),
            "origin": draw.choice(["task", "file", "mix"]),
            "format": draw.choice(["mp3", "wav"]),
            "future": {"kept": True},
        }
        for number in range(1, draw.randrange(2, 5))
    ]
    return {
        "format": "acestep-studio-session",
        "version": 1,
        "id": f"id{seed}",
        "name": "näme",
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "sample_rate": 48_000,
        "tempo": {"bpm": draw.randrange(30, 300), "beats": draw.choice([2, 3, 4, 6]), "offset": 0},
        "sources": sources,
        "tracks": [
            {
                "id": f"t{number}",
                "name": "track",
                "color": draw.randrange(8),
                "gain_db": draw.uniform(-60, 6),
                "pan": draw.uniform(-1, 1),
                "mute": draw.random() < 0.5,
                "solo": draw.random() < 0.5,
                "clips": [a_clip(f"c{number}.{place}", draw.choice(sources)["id"]) for place in range(3)],
            }
            for number in range(draw.randrange(1, 6))
        ],
        "master": {"gain_db": 0},
        "loop": {"on": False, "start": 0, "end": 0},
        "form": {"task": "cover", "touched": {"prompt": "x"}},
        "jobs": [],
        "view": {"snap": "bar", "zoom": 40},
    }


def a_clip(name: str, source: str) -> dict[str, Any]:
    times = {"at": 1, "offset": 2, "length": 100, "fade_in": 10, "fade_out": 20}
    return {"id": name, "source": source, "takes": [source], "gain_db": 0, **times}


async def test_a_hundred_sessions_come_back_equal(bare: Page) -> None:
    assert await call(bare, "studio/session.js", ROUND, [a_session(seed) for seed in range(100)]) == []


def zipped(*entries: tuple[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return file.getvalue()


def broken_files() -> list[bytes]:
    good = a_session()
    text = json.dumps(good).encode()
    changed: list[dict[str, Any]] = [
        {"version": 2},
        {"version": "1"},
        {"format": "other"},
        {"tracks": None},
        {"tracks": [{}] * 33},
        {"tracks": good["tracks"] * 10_000},
        {"sources": [{}]},
        {"sources": []},
        {"tempo": {"bpm": 0, "beats": 4, "offset": 0}},
        {"tempo": {"bpm": 120, "beats": 0, "offset": 0}},
        {"loop": {"on": 1, "start": 0, "end": 0}},
        {"loop": {"on": True, "start": -1, "end": 0}},
        {"master": {"gain_db": 1e9}},
        {"sample_rate": 44_100},
        {"name": 5},
        {"name": "x" * 5000},
        {"jobs": [1]},
        {"jobs": ["x"] * 2000},
        {"view": []},
        {"form": None},
    ]
    for field, value in (
        ("at", 0.5),
        ("at", -1),
        ("length", None),
        ("source", "nobody"),
        ("takes", ["nobody"]),
        ("fade_in", 200),
    ):
        clips = [{**good["tracks"][0]["clips"][0], field: value}]
        changed.append({"tracks": [{**good["tracks"][0], "clips": clips}]})
    for field, value in (
        ("pan", 2),
        ("gain_db", "0"),
        ("color", 8),
        ("mute", None),
        ("clips", {}),
        ("id", None),
    ):
        changed.append({"tracks": [{**good["tracks"][0], field: value}]})
    files = [json.dumps({**good, **change}).encode() for change in changed]
    files += [b"", b"{", b"[]", b"null", b"5", b"PK", b"PK\x03\x04" + bytes(40), text[: len(text) // 2]]
    files += [
        zipped(("session.json", text), (name, b"x"))
        for name in ("../evil", "audio/../x", "/etc/passwd", "audio/a/b", "other")
    ]
    archive = zipped(("session.json", text))
    files += [
        zipped(("x", b"")),
        zipped(*((f"audio/{n}.wav", b"") for n in range(600))),
        archive[:-10],
        archive.replace(b"PK\x01\x02", b"PK\x01\x09"),
    ]
    return files


async def test_broken_files_are_refused_with_a_reason(bare: Page) -> None:
    files = [base64.b64encode(file).decode() for file in broken_files()]
    assert len(files) >= 45
    said = await call(bare, "studio/session.js", REFUSED, files)
    texts = json.loads(await (await bare.request.get("/web/i18n/en/studio.json")).text())
    assert [reason for reason in said if f"session.error.{reason}" not in texts] == []


async def test_hostile_names_of_keys_reach_nothing(bare: Page) -> None:
    text = json.dumps(a_session())[:-1] + ', "__proto__": {"polluted": true}, "constructor": {"x": 1}}'
    given = """(async () => {
      const { session } = await m.openFile(new Blob([given]));
      return [session.polluted, ({}).polluted, Object.hasOwn(session, "constructor")];
    })()"""
    assert await call(bare, "studio/session.js", given, text) == [None, None, False]


async def test_edits_keep_a_session_that_can_be_opened(bare: Page) -> None:
    script = """(async () => {
      const { migrate } = await import("/web/studio/migrate.js");
      let session = given.session;
      for (const command of given.commands) {
        session = m.apply(session, command);
        migrate(structuredClone(session));
      }
      return session.tracks;
    })()"""
    commands = [
        {"type": "split-clip", "id": "c0.0", "at": 40, "newId": "n1"},
        {"type": "duplicate-clip", "id": "n1", "newId": "n2"},
        {"type": "move-clip", "id": "n2", "at": -5},
        {"type": "trim-clip", "id": "c0.1", "edge": "start", "by": 50_000},
        {"type": "trim-clip", "id": "c0.1", "edge": "end", "by": -50_000},
        {"type": "change-clip", "id": "c0.2", "changes": {"fade_in": 90, "fade_out": 90}},
        {"type": "remove-clip", "id": "c0.0"},
        {"type": "move-track", "id": "t0", "by": 99},
        {"type": "choose-take", "id": "c0.1", "source": "s1"},
        {"type": "duplicate-track", "id": "t0", "newId": "t9", "clipIds": ["x1", "x2", "x3", "x4", "x5"]},
        {"type": "remove-track", "id": "t0"},
    ]
    tracks = await call(bare, "studio/edit.js", script, {"session": a_session(), "commands": commands})
    assert {one["id"] for one in tracks} >= {"t9"}
    assert "t0" not in {one["id"] for one in tracks}


async def test_undo_goes_back_200_steps_and_a_drag_is_one(bare: Page) -> None:
    script = """(() => {
      let history = m.fresh(0);
      for (let step = 1; step <= 250; step += 1) history = m.record(history, step);
      for (let step = 300; step < 310; step += 1) history = m.record(history, step, "drag");
      let back = 0;
      for (; history.past.length; back += 1) history = m.undo(history);
      return [back, history.present, m.redo(history).present];
    })()"""
    assert await call(bare, "studio/undo.js", script) == [200, 51, 52]
