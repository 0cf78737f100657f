"""Slot and child process: results, errors, cancel, death of either side."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from inference.request import EngineOptions, GenerationRequest, ItemSpec
from workers.slot import ChildDied, JobCancelled, JobFailed, Slot, SlotOptions, StartFailed

pytestmark = pytest.mark.inference

STUB = "tests.engines.StubEngine"
MODEL = "acestep-tiny-random"


def a_request(scratch: Path, prompt: str, *, items: int = 1, seed: int = 1) -> GenerationRequest:
    specs = tuple(ItemSpec(prompt=prompt, lyrics="", seed=seed + index) for index in range(items))
    return GenerationRequest(
        model=MODEL, items=specs, duration=1.0, audio_format="wav", scratch_dir=str(scratch)
    )


def a_slot(models_dir: Path, engine: str = STUB, **environment: str) -> Slot:
    options = EngineOptions(models=(MODEL,), models_dir=str(models_dir), device="cpu", threads=1)
    return Slot(SlotOptions(engine_options=options, engine=engine, environment=environment))


@pytest.fixture
async def slot(tmp_path: Path) -> AsyncIterator[Slot]:
    slot = a_slot(tmp_path / "models")
    await slot.start()
    yield slot
    await slot.kill()


async def until(reached: asyncio.Event) -> None:
    await asyncio.wait_for(reached.wait(), 20.0)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def clips_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.*"))


async def test_a_lazy_child_holds_a_model_from_its_first_job_on(tmp_path: Path) -> None:
    options = EngineOptions(models=(MODEL,), models_dir=str(tmp_path / "models"), device="cpu", lazy=True)
    slot = Slot(SlotOptions(engine_options=options, engine=STUB))
    await slot.start()
    try:
        assert [model.name for model in slot.models] == [MODEL]
        assert slot.loaded == ()
        loads: list[str] = []
        for _ in range(2):
            await slot.generate(
                a_request(tmp_path, "steps=1"), on_loaded=lambda model, seconds: loads.append(model)
            )
        assert (slot.loaded, loads) == ((MODEL,), [MODEL])
    finally:
        await slot.kill()


async def test_a_child_holds_its_first_model_from_the_start(slot: Slot) -> None:
    assert slot.loaded == (MODEL,)


async def test_the_real_engine_serves_two_equal_jobs_with_equal_clips(
    models_dir: Path, tmp_path: Path
) -> None:
    slot = a_slot(models_dir, engine="")
    await slot.start()
    try:
        assert [model.name for model in slot.models] == [MODEL]
        results = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            results.append(await slot.generate(a_request(tmp_path / name, "calm piano", items=2)))
        first, second = ([clip.sha256 for clip in result.clips] for result in results)
        assert first == second
        assert first[0] != first[1]
        info = soundfile.info(results[0].clips[1].path)
        assert (info.samplerate, info.channels, info.duration) == (48_000, 2, 1.0)
        assert results[0].audit["threads"] == 1
        assert list(results[0].seconds) == ["loading", "encoding", "diffusing", "decoding", "saving"]
    finally:
        await slot.stop()
    assert not slot.alive


async def test_progress_arrives_in_order_and_moves_the_watchdog(slot: Slot, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    begun = time.monotonic()
    request = a_request(tmp_path, "steps=3 sleep=0.3", items=2)
    result = await slot.generate(request, on_progress=lambda *report: reports.append(report))
    assert [report for report in reports if report[0] == "diffusing"] == [
        ("diffusing", 1, 3),
        ("diffusing", 2, 3),
        ("diffusing", 3, 3),
    ]
    assert reports[-1] == ("saving", 2, 2)
    assert slot.last_progress_at >= begun + 0.3
    assert [clip.seed for clip in result.clips] == [1, 2]


async def test_kill_9_of_the_child_is_noticed_and_a_new_one_serves_the_next_job(
    slot: Slot, tmp_path: Path
) -> None:
    computing = asyncio.Event()
    job = asyncio.create_task(
        slot.generate(a_request(tmp_path, "sleep=60 steps=600"), on_progress=lambda *_: computing.set())
    )
    await until(computing)
    killed = slot.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    with pytest.raises(ChildDied) as died:
        await asyncio.wait_for(job, 10.0)
    assert died.value.returncode == -signal.SIGKILL
    with pytest.raises(ChildDied):
        await slot.generate(a_request(tmp_path, ""))
    await slot.start()
    assert slot.pid != killed
    assert len((await slot.generate(a_request(tmp_path, ""))).clips) == 1


async def test_a_crash_inside_the_engine_is_a_death_too(slot: Slot, tmp_path: Path) -> None:
    with pytest.raises(ChildDied):
        await slot.generate(a_request(tmp_path, "crash once"))
    await slot.start()
    assert len((await slot.generate(a_request(tmp_path, "crash once"))).clips) == 1


async def test_cancel_stops_between_two_steps_and_the_child_goes_on(slot: Slot, tmp_path: Path) -> None:
    computing = asyncio.Event()
    child = slot.pid
    request = a_request(tmp_path, "sleep=60 steps=600")
    job = asyncio.create_task(slot.generate(request, on_progress=lambda *_: computing.set()))
    await until(computing)
    asked_at = time.monotonic()
    await slot.cancel()
    with pytest.raises(JobCancelled):
        await asyncio.wait_for(job, 10.0)
    assert time.monotonic() - asked_at < 2.0
    assert clips_in(tmp_path) == []
    assert len((await slot.generate(a_request(tmp_path, ""))).clips) == 1
    assert slot.pid == child


async def test_giving_up_on_a_job_stops_it_in_the_child(slot: Slot, tmp_path: Path) -> None:
    computing = asyncio.Event()
    request = a_request(tmp_path, "sleep=60 steps=600")
    job = asyncio.create_task(slot.generate(request, on_progress=lambda *_: computing.set()))
    await until(computing)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    async with asyncio.timeout(10.0):
        assert len((await slot.generate(a_request(tmp_path, ""))).clips) == 1


async def test_a_hanging_engine_can_be_killed(slot: Slot, tmp_path: Path) -> None:
    computing = asyncio.Event()
    job = asyncio.create_task(
        slot.generate(a_request(tmp_path, "hang"), on_progress=lambda *_: computing.set())
    )
    await until(computing)
    pid = slot.pid
    assert pid is not None
    await slot.kill()
    with pytest.raises(ChildDied):
        await job
    assert not is_running(pid)
    assert not slot.alive


async def test_the_next_job_computes_while_files_are_written(slot: Slot, tmp_path: Path) -> None:
    computed = asyncio.Event()
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    long = replace(a_request(folders[0], "", items=8), duration=20.0, audio_format="mp3")
    first = asyncio.create_task(slot.generate(long, on_computed=computed.set))
    await until(computed)
    order: list[str] = []
    first.add_done_callback(lambda _: order.append("first written"))

    def on_progress(stage: str, done: int, total: int) -> None:
        if stage == "diffusing" and done == 1:
            order.append("second computing")

    second = await slot.generate(a_request(folders[1], "", seed=50), on_progress=on_progress)
    assert [clip.seed for clip in (await first).clips] == list(range(1, 9))
    assert [clip.seed for clip in second.clips] == [50]
    assert order[0] == "second computing"


@pytest.mark.parametrize(
    ("word", "code", "retryable"), [("fail", "internal", False), ("oom", "gpu_out_of_memory", True)]
)
async def test_an_error_has_a_public_and_a_private_part_and_the_child_goes_on(
    slot: Slot, tmp_path: Path, word: str, code: str, retryable: bool
) -> None:
    with pytest.raises(JobFailed) as failed:
        await slot.generate(a_request(tmp_path, word))
    error = failed.value
    assert (error.code, error.retryable, error.poisons) == (code, retryable, False)
    assert "Traceback" in error.trace
    assert "Traceback" not in error.message
    assert len((await slot.generate(a_request(tmp_path, ""))).clips) == 1


async def test_a_device_error_ends_the_child(slot: Slot, tmp_path: Path) -> None:
    pid = slot.pid
    assert pid is not None
    with pytest.raises(JobFailed) as failed:
        await slot.generate(a_request(tmp_path, "device"))
    assert (failed.value.retryable, failed.value.poisons) == (True, True)
    assert not slot.alive
    assert not is_running(pid)
    await slot.start()
    assert len((await slot.generate(a_request(tmp_path, ""))).clips) == 1


async def test_a_file_that_cannot_be_written_is_worth_another_try(slot: Slot, tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as failed:
        await slot.generate(a_request(tmp_path / "missing", ""))
    assert (failed.value.code, failed.value.retryable) == ("internal", True)
    assert str(tmp_path) not in failed.value.message
    assert str(tmp_path) in failed.value.trace


async def test_an_engine_that_cannot_start_says_why(tmp_path: Path) -> None:
    slot = Slot(
        SlotOptions(engine_options=EngineOptions(models=("acestep-v15-turbo",), models_dir=str(tmp_path)))
    )
    with pytest.raises(StartFailed, match="acestep-service models download acestep-v15-turbo") as failed:
        await slot.start()
    assert failed.value.code == "model_unavailable"
    assert not slot.alive


async def test_stop_ends_the_child_in_order(slot: Slot) -> None:
    pid = slot.pid
    assert pid is not None
    begun = time.monotonic()
    await slot.stop()
    assert time.monotonic() - begun < 3.0
    assert not is_running(pid)


@pytest.mark.parametrize(
    "place", ["child.before_compute", "child.step", "child.after_compute", "child.before_encode"]
)
async def test_a_failpoint_in_the_child_kills_it_there(tmp_path: Path, place: str) -> None:
    slot = a_slot(tmp_path / "models", FAILPOINT=f"{place}:1:kill")
    await slot.start()
    with pytest.raises(ChildDied) as died:
        await slot.generate(a_request(tmp_path, ""))
    assert died.value.returncode == -signal.SIGKILL
    assert clips_in(tmp_path) == []


async def test_a_failpoint_after_the_encoder_leaves_whole_files(tmp_path: Path) -> None:
    slot = a_slot(tmp_path / "models", FAILPOINT="child.after_encode")
    await slot.start()
    with pytest.raises(ChildDied):
        await slot.generate(a_request(tmp_path, ""))
    assert soundfile.info(tmp_path / "0.wav").duration == 1.0


async def test_production_refuses_a_failpoint(tmp_path: Path) -> None:
    slot = a_slot(tmp_path / "models", FAILPOINT="child.step", ACESTEP_ENV="production")
    with pytest.raises(ChildDied):
        await slot.start()


_PARENT = """
import asyncio, json, sys
from inference.request import EngineOptions
from workers.slot import Slot, SlotOptions

async def main():
    options = EngineOptions(models=("m",), models_dir=sys.argv[1])
    slot = Slot(SlotOptions(engine_options=options, engine="tests.engines.StubEngine"))
    await slot.start()
    print(json.dumps({"child": slot.pid}), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_kill_9_of_the_parent_ends_the_child(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = json.loads(await parent.stdout.readline())["child"]
    assert is_running(child)
    parent.kill()
    await parent.wait()
    assert await asyncio.to_thread(gone, child)
