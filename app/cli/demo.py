"""`make demo`: one clip over HTTP on the embedded stack, then a restart that changes nothing."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from app.cli.configure import settings_or_exit
from app.cli.models import bring_models
from app.cli.task import wait_with_bar
from app.client import ApiError, Client, TaskFailedError, TaskResult
from app.embedded.program import LAUNCHER
from app.settings import TINY_LANGUAGE_MODEL, TINY_MODEL, Settings

HOST = "127.0.0.1"
START_LIMIT_S = 600.0
STOP_LIMIT_S = 60.0
CLIP_LIMIT_S = 600.0
REQUEST: dict[str, Any] = {
    "prompt": "calm piano over soft rain, slow and warm",
    "lyrics": "[Verse]\nRain on the window, light in the hall",
    "key_scale": "D major",
    "audio_duration": 10,
    "batch_size": 1,
    "thinking": True,
}

console = Console(highlight=False, soft_wrap=True)


@click.command()
@click.option("--model", default=TINY_MODEL, show_default=True, help="Diffusion model.")
@click.option("--lm-model", help="Language model.  [default: the tiny one beside the tiny model]")
@click.option("--output", type=click.Path(path_type=Path), default=Path("demo"), show_default=True)
def main(model: str, lm_model: str | None, output: Path) -> None:
    """Have one clip planned and made, and show that it survives a restart."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that the service is stopped on the way out
    if lm_model is None and model == TINY_MODEL:
        lm_model = TINY_LANGUAGE_MODEL
    settings = settings_or_exit(config_path=model, lm_model_path=lm_model, init_llm=True)
    bring_models(settings)
    try:
        _run(settings, model, output)
    except (ApiError, TaskFailedError, TimeoutError) as error:
        raise click.ClickException(str(error)) from None


def _run(settings: Settings, model: str, output: Path) -> None:
    _introduce(model)
    log = settings.data_dir / "logs" / "demo.log"
    with _service(settings, log) as client:
        before = _make_clip(client)
        path = _save(client, before, output)
        stats_before = _lasting(client.stats())
        _show(before, path, stats_before)
    console.print("\nEverything is stopped: API, worker, Postgres, Valkey. Starting again …")
    with _service(settings, log) as client:
        after = client.result(before.task_id)
        stats_after = _lasting(client.stats())
        again = _digest(client, after)
    _compare(before, after, stats_before, stats_after, hashlib.sha256(path.read_bytes()).hexdigest(), again)
    console.print(f"\nDone; no process is left. The clip: [bold]{path}[/bold]")


def _introduce(model: str) -> None:
    if model == TINY_MODEL:
        console.print(
            "[yellow]These models have random weights: the clip will be noise, not music.[/yellow]\n"
            "For music: make demo MODEL=acestep-v15-turbo (downloads 7.7 GB the first time)\n"
        )


@contextmanager
def _service(settings: Settings, log: Path) -> Iterator[Client]:
    """Run `acestep-api` on a free port until the block ends; its log goes to a file."""
    port = _free_port()
    log.parent.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    serve = [
        sys.executable,
        "-P",
        "-m",
        "app.cli.serve",
        "--host",
        HOST,
        "--port",
        str(port),
        "--config-path",
        settings.config_path,
        "--lm-model-path",
        settings.lm_model_path,
        "--init-llm",
    ]
    # In a session of its own Ctrl-C reaches only us; if we are killed, the service is told to stop.
    bound = [sys.executable, str(LAUNCHER), str(int(signal.SIGTERM)), str(os.getpid()), "-1", "-1"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            bound + serve,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    key = settings.api_key.get_secret_value() or None
    try:
        with Client(f"http://{HOST}:{port}", api_key=key) as client:
            with console.status("starting …"):
                _wait_until_ready(process, client, log)
            console.print(f"service ready after {time.monotonic() - begun:.1f} s")
            yield client
    except BaseException:
        _stop(process, log)
        raise
    _check_status(_stop(process, log), log)


def _wait_until_ready(process: "subprocess.Popen[bytes]", client: Client, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise click.ClickException(f"the service did not start; the end of {log}:\n{_tail(log)}")
        with suppress(ApiError):
            if client.health()["models_initialized"]:
                return
        time.sleep(0.1)
    raise click.ClickException(f"the service was not ready in time; the end of {log}:\n{_tail(log)}")


def _stop(process: "subprocess.Popen[bytes]", log: Path) -> int:
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        return process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise click.ClickException(f"the service did not stop; see {log}") from None


def _check_status(status: int, log: Path) -> None:
    if status != 0:
        raise click.ClickException(f"the service ended with status {status}; the end of {log}:\n{_tail(log)}")


def _make_clip(client: Client) -> TaskResult:
    task_id = client.submit(**REQUEST)
    console.print(f"task accepted: {task_id}")
    return wait_with_bar(client, task_id, console, timeout_s=CLIP_LIMIT_S)


def _save(client: Client, result: TaskResult, output: Path) -> Path:
    output.mkdir(parents=True, exist_ok=True)
    file = result.items[0]["file"]
    return client.download(file, output / f"{result.task_id}.{file.rsplit('.', 1)[1]}")


def _show(result: TaskResult, path: Path, stats: dict[str, Any]) -> None:
    item = result.items[0]
    content = path.read_bytes()
    for name, value in (
        ("task", result.task_id),
        ("models", f"{item['dit_model']}, planned by {item['lm_model']}"),
        ("plan", _plan(item["metas"])),
        ("seeds", item["seed_value"]),
        ("seconds", item["metas"]["duration"]),
        ("file", f"{path} ({len(content)} bytes)"),
        ("sha256", hashlib.sha256(content).hexdigest()),
        ("info", item["generation_info"]),
        ("statistics", stats),
    ):
        console.print(f"  {name:<11} {value}", markup=False)


def _plan(metas: dict[str, Any]) -> str:
    """The metadata of the clip: one was asked for, the language model planned the others."""
    beats = f"{metas['timesignature']} beats a bar"
    return f"{metas['bpm']} bpm, {metas['keyscale']}, {beats}, {metas['duration']} s"


def _compare(
    before: TaskResult,
    after: TaskResult,
    stats_before: dict[str, Any],
    stats_after: dict[str, Any],
    hash_before: str,
    hash_after: str,
) -> None:
    checks = (
        ("the task id answers with the same result", before.raw == after.raw),
        ("the clip has the same bytes", hash_before == hash_after),
        ("the statistics are unchanged", stats_before == stats_after),
    )
    for text, holds in checks:
        console.print(f"  {'[green]yes[/green]' if holds else '[red]NO[/red] '} {text}")
    if not all(holds for _, holds in checks):
        raise click.ClickException("the restart changed something; this is a bug")


def _lasting(stats: dict[str, Any]) -> dict[str, Any]:
    """The numbers that a restart must not change; how many workers are up is not one of them."""
    return {name: stats[name] for name in ("jobs", "queue_size", "queue_maxsize", "avg_job_seconds")}


def _digest(client: Client, result: TaskResult) -> str:
    digest = hashlib.sha256()
    for chunk in client.stream(result.items[0]["file"]):
        digest.update(chunk)
    return digest.hexdigest()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


if __name__ == "__main__":
    main()
