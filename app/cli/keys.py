"""`acestep-service key`: the keys of teams."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from app.cli.office import as_json, ask, print_json, print_table
from app.domain.keys import ALL_SCOPES, OPEN_SCOPES
from app.domain.teams import Key

COLUMNS = ("prefix", "team", "name", "state", "scopes", "created_at", "last_used_at", "expires_at")


@click.group()
def key() -> None:
    """Keys of teams. The first one closes the service: from then on every call needs a key."""


@key.command("create")
@click.argument("team")
@click.option("--name", default="key", show_default=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(sorted(map(str, ALL_SCOPES))),
    help="A right, may be repeated; default: all but team:manage and admin.",
)
@click.option("--expires", help="When it ends: 90d, 12h, or a time such as 2030-01-31T12:00:00Z.")
@as_json
def create(team: str, name: str, scopes: tuple[str, ...], expires: str | None, as_json: bool) -> None:
    """Make a key of a team and show it, this once."""
    wanted = sorted(scopes or map(str, OPEN_SCOPES))
    expires_at = _time(expires) if expires else None
    made = ask(lambda teams: teams.create_key(team, name=name, scopes=wanted, expires_at=expires_at))
    if as_json:
        print_json({**asdict(made.key), "key": made.text})
        return
    click.echo(made.text)
    click.echo("Keep it now: it is not stored and cannot be shown again.", err=True)


@key.command("list")
@click.option("--team", help="Keys of this team only.")
@as_json
def list_(team: str | None, as_json: bool) -> None:
    """Show keys by their visible part, with rights and last use."""
    found = ask(lambda teams: teams.keys(team))
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [{**asdict(each), "state": _state(each)} for each in found])


@key.command("revoke")
@click.argument("key")
@as_json
def revoke(key: str, as_json: bool) -> None:
    """End a key, named by its visible part or its id."""
    ended = ask(lambda teams: teams.revoke_key(key))
    if as_json:
        print_json(ended)
        return
    click.echo(f"key {ended.prefix} of team {ended.team} is revoked; it stops within 30 seconds")


def _state(each: Key) -> str:
    if each.revoked_at is not None:
        return "revoked"
    return "expired" if each.expires_at and each.expires_at <= datetime.now(UTC) else "active"


def _time(text: str) -> datetime:
    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and number.isascii() and unit in ("d", "h") and len(number) < 6:
        return datetime.now(UTC) + (
            timedelta(days=int(number)) if unit == "d" else timedelta(hours=int(number))
        )
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            "expected 90d, 12h or 2030-01-31T12:00:00Z", param_hint="--expires"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
