"""`acestep-service team`: the tenants of the service."""

from dataclasses import asdict
from typing import Any

import click

from app.cli.office import as_json, ask, print_json, print_table
from app.domain.teams import TeamLimits

COLUMNS = ("name", "max_queued", "max_running", "weight", "audio_retention_days", "disabled", "created_at")


@click.group()
def team() -> None:
    """Teams: each sees only its own tasks."""


@team.command("create")
@click.argument("name")
@click.option("--max-queued", type=int, help="Tasks that may wait; more are refused with 429.")
@click.option("--max-running", type=int, help="Tasks that may run at once; more wait.")
@click.option("--weight", type=float, default=1.0, show_default=True, help="Share of the workers.")
@click.option("--max-priority", type=int, default=0, show_default=True, help="Highest priority of a task.")
@click.option("--daily-audio-seconds", type=int, help="Audio in one UTC day.")
@click.option("--monthly-audio-seconds", type=int, help="Audio in one UTC month.")
@click.option("--allowed-model", "allowed_models", multiple=True, help="May be repeated; default: all.")
@click.option("--audio-retention-days", type=int, help="Days until audio is removed; default: never.")
@click.option("--record-retention-days", type=int, help="Days until records are removed; default: never.")
@as_json
def create(name: str, as_json: bool, allowed_models: tuple[str, ...], **limits: Any) -> None:
    """Make a team."""
    wanted = TeamLimits(allowed_models=list(allowed_models) or None, **limits)
    made = ask(lambda teams: teams.create_team(name, wanted))
    if as_json:
        print_json(made)
        return
    click.echo(f"team {made.name} created; make it a key with: acestep-service key create {made.name}")


@team.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show every team."""
    found = ask(lambda teams: teams.teams())
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [asdict(each) for each in found])
