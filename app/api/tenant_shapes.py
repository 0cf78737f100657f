"""The answers about teams and keys."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from app.domain.task import Caller
from app.domain.team_keys import Key, NewKey
from app.domain.teams import Team
from app.domain.wire_json import rfc3339


class TeamView(msgspec.Struct, frozen=True, kw_only=True):
    """A team with its limits; null is no limit, of days: keep."""

    id: str
    name: str
    max_queued: int | None
    max_running: int | None
    max_priority: int
    weight: float
    daily_audio_seconds: int | None
    monthly_audio_seconds: int | None
    allowed_models: Sequence[str] | None
    audio_retention_days: int | None
    record_retention_days: int | None
    disabled: bool
    created_at: str

    @classmethod
    def of(cls, team: Team) -> "TeamView":
        """Show a team."""
        return cls(**_team(team))


class CallerView(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks; the operator's key and open mode have no id and no prefix."""

    key_id: str | None
    key_prefix: str | None
    scopes: Sequence[str]
    open: bool
    expires_at: str | None


class OwnTeam(TeamView, frozen=True, kw_only=True):
    """The team of the caller, and the caller."""

    caller: CallerView

    @classmethod
    def to(cls, caller: Caller, team: Team, key: Key | None) -> "OwnTeam":
        """Show a team to one of its keys."""
        view = CallerView(
            key_id=str(key.id) if key else None,
            key_prefix=caller.key_prefix,
            scopes=sorted(caller.scopes),
            open=caller.is_open,
            expires_at=_time(key.expires_at) if key else None,
        )
        return cls(**_team(team), caller=view)


class TeamList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of teams, oldest first."""

    items: Sequence[TeamView]
    next_cursor: str | None
    has_more: bool


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its text."""

    id: str
    team_id: str
    name: str
    prefix: str
    scopes: Sequence[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None

    @classmethod
    def of(cls, key: Key) -> "KeyView":
        """Show a key."""
        return cls(**_key(key))


class NewKeyView(KeyView, frozen=True, kw_only=True):
    """A key that was just made; `key` is its text, shown this once."""

    key: str

    @classmethod
    def made(cls, made: NewKey) -> "NewKeyView":
        """Show a new key."""
        return cls(**_key(made.key), key=made.text)


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """A page of keys, oldest first."""

    items: Sequence[KeyView]
    next_cursor: str | None
    has_more: bool


def _team(team: Team) -> dict[str, Any]:
    return {
        **team.columns(),
        "id": str(team.id),
        "created_at": rfc3339(team.created_at),
    }


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "team_id": str(key.team_id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "created_at": rfc3339(key.created_at),
        "last_used_at": _time(key.last_used_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
    }


def _time(time: datetime | None) -> str | None:
    return rfc3339(time) if time else None
