"""`acestep-service key`: the keys of teams."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click

from app.cli.office import as_json, ask, print_details, print_json, print_table
from app.domain.keys import ALL_SCOPES, OPEN_SCOPES
from app.domain.team_keys import Key, NewKey

COLUMNS = ("prefix", "team", "name", "state", "scopes", "created_at", "last_used_at", "expires_at")
NEVER = "never"


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
    made = ask(
        lambda office: office.keys.create(office.by, team, name=name, scopes=wanted, expires_at=expires_at)
    )
    _show_once(made, as_json=as_json)


@key.command("list")
@click.option("--team", help="Keys of this team only.")
@as_json
def list_(team: str | None, as_json: bool) -> None:
    """Show keys by their visible part, with rights and last use."""
    found = ask(lambda office: office.keys.all(office.by, team))
    if as_json:
        print_json(found)
        return
    print_table(COLUMNS, [{**asdict(each), "state": each.state} for each in found])


@key.command("show")
@click.argument("key")
@as_json
def show(key: str, as_json: bool) -> None:
    """Show a key, named by its visible part or its id."""
    found = ask(lambda office: office.keys.one(office.by, key))
    if as_json:
        print_json(found)
        return
    print_details({**asdict(found), "state": found.state})


@key.command("rotate")
@click.argument("key")
@click.option("--overlap-hours", type=click.FloatRange(0, 720), default=24, show_default=True)
@as_json
def rotate(key: str, overlap_hours: float, as_json: bool) -> None:
    """Make a successor with the same rights, and let the old key end after the overlap."""
    overlap = timedelta(hours=overlap_hours)
    _show_once(ask(lambda office: office.keys.rotate(office.by, key, overlap=overlap)), as_json=as_json)


@key.command("expire")
@click.argument("key")
@click.argument("when")
@as_json
def expire(key: str, when: str, as_json: bool) -> None:
    """Let a key end in 12h, 90d, at a time such as 2030-01-31T12:00:00Z, or never."""
    expires_at = None if when == NEVER else _time(when)
    changed = ask(lambda office: office.keys.change(office.by, key, {"expires_at": expires_at}))
    end = changed.expires_at.isoformat(timespec="minutes") if changed.expires_at else NEVER
    _say(changed, f"key {changed.prefix} of team {changed.team} ends: {end}", as_json=as_json)


@key.command("revoke")
@click.argument("key")
@as_json
def revoke(key: str, as_json: bool) -> None:
    """End a key, named by its visible part or its id."""
    ended = ask(lambda office: office.keys.revoke(office.by, key))
    text = f"key {ended.prefix} of team {ended.team} is revoked; it stops within 30 seconds"
    _say(ended, text, as_json=as_json)


def _say(key: Key, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(key)
    else:
        click.echo(text)


def _show_once(made: NewKey, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(made.key), "key": made.text})
        return
    click.echo(made.text)
    click.echo("Keep it now: it is not stored and cannot be shown again.", err=True)


def _time(text: str) -> datetime:
    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and number.isascii() and unit in ("d", "h") and len(number) < 6:
        return datetime.now(UTC) + (
            timedelta(days=int(number)) if unit == "d" else timedelta(hours=int(number))
        )
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("expected 90d, 12h or 2030-01-31T12:00:00Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
