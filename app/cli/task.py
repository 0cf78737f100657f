"""`acestep-service task`: submit a task and follow it from a terminal, over HTTP like any other client."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.cli.configure import settings_or_exit
from app.cli.office import as_json, print_json, print_table
from app.client import ApiError, Client, TaskFailedError, TaskResult

COLUMNS = ("id", "state", "created_at", "task_type", "dit_model", "prompt", "key_prefix", "error_code")
SHOWN_PROMPT_CHARS = 40
FACTS = (
    *("id", "state", "created_at", "started_at", "finished_at", "queue_position", "task_type", "seeds"),
    *("labels", "parent_id", "key_prefix", "error_code", "error"),
)
TIMEOUT_S = 3600.0
AUDIO = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)

url = click.option("--url", help="Address of the service.  [default: ACESTEP_API_HOST and _PORT]")
timeout = click.option("--timeout", default=TIMEOUT_S, show_default=True, help="Longest wait in seconds.")
save_to = click.option("--save-to", type=FOLDER, help="Folder for the clips, made if it is missing.")


@click.group()
def task() -> None:
    """Tasks, over HTTP; the key is that of ACESTEP_API_KEY."""


@task.command()
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--source", type=AUDIO, help="Audio to work on.")
@click.option("--reference", type=AUDIO, help="Audio whose sound to take.")
@click.option("--wait", "waits", is_flag=True, help="Follow the task to its end.")
@timeout
@save_to
@url
@as_json
def submit(
    parameters: Sequence[str],
    source: Path | None,
    reference: Path | None,
    waits: bool,
    timeout: float,
    save_to: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Send a task, such as: prompt="calm piano" audio_duration=30 batch_size=1."""
    with _client(url) as client:
        task_id = client.submit(source=source, reference=reference, **_named(parameters))
        if waits or save_to:
            _follow(client, task_id, timeout, save_to, as_json)
        elif as_json:
            print_json({"task_id": task_id})
        else:
            click.echo(task_id)


@task.command()
@click.argument("task_id")
@timeout
@save_to
@url
@as_json
def wait(task_id: str, timeout: float, save_to: Path | None, url: str | None, as_json: bool) -> None:
    """Follow a task to its end."""
    with _client(url) as client:
        _follow(client, task_id, timeout, save_to, as_json)


@task.command()
@click.argument("task_id")
@url
@as_json
def show(task_id: str, url: str | None, as_json: bool) -> None:
    """Show the main facts of a task; with --json the whole record."""
    with _client(url) as client:
        record = client.record(task_id)
    if as_json:
        print_json(record)
        return
    shown = {name: record[name] for name in FACTS if record[name] not in (None, [], {})}
    shown["model"] = record["dit_model"]["name"]
    shown["prompt"] = record["parameters"].get("prompt", "")
    shown["files"] = [output["file"] for output in record["outputs"] if output["available"]]
    print_table(("fact", "value"), [{"fact": name, "value": str(value)} for name, value in shown.items()])


@task.command("list")
@click.option("--state", help="queued, running, succeeded, failed or cancelled.")
@click.option("--words", help="Words of prompt or lyrics.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="May be repeated.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(min=1), help="How many.")
@url
@as_json
def list_(
    state: str | None, words: str | None, labels: Sequence[str], limit: int, url: str | None, as_json: bool
) -> None:
    """Show the latest tasks."""
    filters = {f"label_{name}": value for name, value in _named(labels).items()}
    with _client(url) as client:
        history = client.history(state=state, q=words, limit=min(limit, 200), **filters)
        found = list(islice(history, limit))
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [{**each, "prompt": each["prompt"][:SHOWN_PROMPT_CHARS]} for each in found])


@task.command()
@click.argument("task_id")
@url
@as_json
def cancel(task_id: str, url: str | None, as_json: bool) -> None:
    """Stop a task: a waiting one at once, a running one within seconds."""
    with _client(url) as client:
        state = client.cancel(task_id)
    if as_json:
        print_json({"task_id": task_id, "state": state})
        return
    click.echo("cancelled" if state == "cancelled" else f"{state}, will stop soon")


@task.command()
@click.argument("task_id")
@click.option("--save-to", type=FOLDER, default=Path(), help="Folder.  [default: this one]")
@url
@as_json
def download(task_id: str, save_to: Path, url: str | None, as_json: bool) -> None:
    """Save the clips of a task that has succeeded."""
    with _client(url) as client:
        result = client.result(task_id)
        if not result.has_succeeded:
            raise click.ClickException(f"there are no clips: {result.error or result.state}")
        saved = _save(client, result, save_to)
    if as_json:
        print_json({"task_id": task_id, "saved": saved})
        return
    click.echo("\n".join(saved))


def wait_with_bar(client: Client, task_id: str, console: Console, *, timeout_s: float) -> TaskResult:
    """Wait for a task and draw how far it is."""
    columns = (TextColumn("{task.description:<32}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=1.0)

        def draw(seen: TaskResult) -> None:
            progress.update(bar, completed=seen.progress, description=seen.progress_text)

        return client.wait(task_id, timeout_s=timeout_s, on_progress=draw)


@contextmanager
def _client(address: str | None) -> Iterator[Client]:
    """A client of the named or the configured service; what it is told ends the command with one line."""
    settings = settings_or_exit()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)
    place = f"[{host}]" if ":" in host else host
    key = settings.api_key.get_secret_value() or None
    try:
        with Client(address or f"http://{place}:{settings.api_port}", api_key=key) as client:
            yield client
    except ApiError as error:
        later = f"; try again in {error.retry_after_s} s" if error.retry_after_s else ""
        raise click.ClickException(f"{error}{later}") from None
    except TaskFailedError as error:
        raise click.ClickException(f"the task has ended without a clip: {error}") from None
    except TimeoutError as error:
        raise click.ClickException(f"{error}; it goes on: acestep-service task wait …") from None


def _follow(client: Client, task_id: str, timeout_s: float, save_to: Path | None, as_json: bool) -> None:
    """Wait for a task; the bar goes to standard error, so that JSON stays alone on standard output."""
    result = wait_with_bar(client, task_id, Console(stderr=True), timeout_s=timeout_s)
    saved = _save(client, result, save_to) if save_to else []
    if as_json:
        shown = {name: value for name, value in asdict(result).items() if name != "raw"}
        print_json({**shown, "saved": saved})
        return
    click.echo("\n".join(saved or result.files))


def _save(client: Client, result: TaskResult, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    saved = []
    for number, file in enumerate(result.files):
        name = f"{result.task_id}-{number}.{file.rsplit('.', 1)[-1]}"
        saved.append(str(client.download(file, folder / name)))
    return saved


def _named(pairs: Sequence[str]) -> dict[str, Any]:
    named = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(named) != len(pairs):
        raise click.BadParameter("expected name=value, each name once")
    return named
