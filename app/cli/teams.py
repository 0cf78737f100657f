"""`acestep-service team`: the tenants of the service."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import click

from app.cli.office import as_json, ask, print_details, print_json, print_table
from app.domain.teams import Team

Command = TypeVar("Command", bound=Callable[..., Any])

COLUMNS = ("name", "max_queued", "max_running", "weight", "audio_retention_days", "disabled", "created_at")
NO_LIMIT = "none"


class Limit(click.ParamType):  # type: ignore[type-arg]
    """A number, or the word `none` for no limit."""

    name = "number|none"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Read the number, or keep the word."""
        if value == NO_LIMIT:
            return NO_LIMIT
        try:
            return int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {NO_LIMIT!r}", param, ctx)


LIMIT = Limit()
_OPTIONS = (
    click.option("--max-queued", type=LIMIT, help="Tasks that may wait; more are refused with 429."),
    click.option("--max-running", type=LIMIT, help="Tasks that may run at once; more wait."),
    click.option("--weight", type=float, help="Share of the workers; 1 if not given."),
    click.option("--max-priority", type=int, help="Highest priority of a task, -10 to 10; 0 if not given."),
    click.option("--daily-audio-seconds", type=LIMIT, help="Audio in one UTC day."),
    click.option("--monthly-audio-seconds", type=LIMIT, help="Audio in one UTC month."),
    click.option(
        "--allowed-model", "allowed_models", multiple=True, help="May be repeated; `none` = all models."
    ),
    click.option("--audio-retention-days", type=LIMIT, help="Days until audio is removed."),
    click.option("--record-retention-days", type=LIMIT, help="Days until records are removed."),
)


def limits(command: Command) -> Command:
    """Add an option for each limit; `none` takes a limit away."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def team() -> None:
    """Teams: each sees only its own tasks."""


@team.command("create")
@click.argument("name")
@limits
@as_json
def create(name: str, as_json: bool, **given: Any) -> None:
    """Make a team."""
    made = ask(lambda office: office.teams.create(office.by, {"name": name, **_fields(given)}))
    if as_json:
        print_json(made)
        return
    click.echo(f"team {made.name} created; make it a key with: acestep-service key create {made.name}")


@team.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show every team."""
    found = ask(lambda office: office.teams.all())
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [asdict(each) for each in found])


@team.command("show")
@click.argument("name")
@as_json
def show(name: str, as_json: bool) -> None:
    """Show a team with all its limits."""
    _show(ask(lambda office: office.teams.one(name)), as_json=as_json)


@team.command("set")
@click.argument("name")
@limits
@click.option("--rename", help="Another name.")
@as_json
def set_(name: str, rename: str | None, as_json: bool, **given: Any) -> None:
    """Change limits of a team; `none` takes one away. It takes effect with the next task."""
    change = _fields(given) | ({"name": rename} if rename else {})
    if not change:
        raise click.UsageError("name at least one thing to change, such as --max-running 2")
    _show(ask(lambda office: office.teams.change(office.by, name, change)), as_json=as_json)


@team.command("disable")
@click.argument("name")
@as_json
def disable(name: str, as_json: bool) -> None:
    """Stop a team: its keys are refused within 30 seconds, its waiting tasks stay."""
    changed = ask(lambda office: office.teams.change(office.by, name, {"disabled": True}))
    _say(changed, f"team {name} is disabled; its keys stop within 30 seconds", as_json=as_json)


@team.command("enable")
@click.argument("name")
@as_json
def enable(name: str, as_json: bool) -> None:
    """Let a disabled team work again."""
    changed = ask(lambda office: office.teams.change(office.by, name, {"disabled": False}))
    _say(changed, f"team {name} is enabled", as_json=as_json)


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """Values by field, without those that were not given."""
    models = list(given.pop("allowed_models"))
    fields = {
        name: None if value == NO_LIMIT else value for name, value in given.items() if value is not None
    }
    if models:
        fields["allowed_models"] = None if models == [NO_LIMIT] else models
    return fields


def _show(team: Team, *, as_json: bool) -> None:
    if as_json:
        print_json(team)
    else:
        print_details(asdict(team))


def _say(team: Team, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(team)
    else:
        click.echo(text)
