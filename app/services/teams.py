"""Tenancy: teams, their limits and their keys. Every change is noted in the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.db.engine import Database
from app.domain.errors import ConflictError, NotFoundError, ValidationError
from app.domain.keys import ALL_SCOPES, PREFIX_CHARS, key_digest, make_key
from app.domain.teams import Key, Team, TeamLimits
from app.domain.wire_json import rfc3339

MAX_NAME_CHARS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key at the only moment at which its text exists."""

    text: str = field(repr=False)
    key: Key


class Teams:
    """The use cases of `acestep-service team` and `acestep-service key`.

    `actor` names who acts, for the audit log.
    """

    def __init__(self, database: Database, *, pepper: bytes, actor: str) -> None:
        self._database = database
        self._pepper = pepper
        self._actor = actor

    async def create_team(self, name: str, limits: TeamLimits) -> Team:
        """Make a team.

        Raises:
            ValidationError: a name or limit that cannot be.
            ConflictError: the name is taken.
        """
        _check_name(name, "team name")
        _check_limits(limits)
        async with self._database.transaction() as work:
            team = await work.teams.add(name, limits)
            if team is None:
                raise ConflictError(f"a team named {name} exists already")
            await work.audit.note(
                self._actor, "team.created", f"team {team.id}", {"name": name, **limits.columns()}
            )
        return team

    async def teams(self) -> list[Team]:
        """List every team."""
        async with self._database.autocommit() as work:
            return await work.teams.all()

    async def create_key(
        self, team: str, *, name: str, scopes: Sequence[str], expires_at: datetime | None = None
    ) -> NewKey:
        """Make a key of a team; from then on no call is accepted without one.

        Raises:
            ValidationError: a name, scope or time that cannot be.
            NotFoundError: no such team.
        """
        _check_name(name, "key name")
        _check_scopes(scopes)
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise ValidationError("the key would be expired from the start")
        text = make_key()
        async with self._database.transaction() as work:
            key = await work.keys.add(
                team,
                name=name,
                prefix=text[:PREFIX_CHARS],
                last4=text[-4:],
                digest=key_digest(text.encode(), self._pepper),
                scopes=sorted(set(scopes)),
                expires_at=expires_at,
                created_by=self._actor,
            )
            if key is None:
                raise NotFoundError(f"there is no team named {team}")
            await work.audit.note(self._actor, "key.created", f"key {key.id}", _shown(key))
        return NewKey(text=text, key=key)

    async def keys(self, team: str | None = None) -> list[Key]:
        """List the keys of one team or of all; revoked and expired ones too.

        Raises:
            NotFoundError: no such team.
        """
        async with self._database.autocommit() as work:
            if team is not None and team not in [each.name for each in await work.teams.all()]:
                raise NotFoundError(f"there is no team named {team}")
            return await work.keys.all(team)

    async def revoke_key(self, reference: str) -> Key:
        """End a key, named by its id or its prefix; a revoked one stays as it is.

        Raises:
            NotFoundError: no such key.
            ConflictError: two keys have this prefix.
        """
        async with self._database.transaction() as work:
            found = await work.keys.named(reference)
            if not found:
                raise NotFoundError("there is no key with this id or prefix")
            if len(found) > 1:
                raise ConflictError(f"{len(found)} keys begin with {reference}; name the id")
            revoked = await work.keys.revoke(found[0])
            if revoked is None:
                return found[0]
            await work.audit.note(self._actor, "key.revoked", f"key {revoked.id}", _shown(revoked))
        return revoked


def _shown(key: Key) -> dict[str, object]:
    return {
        "team": key.team,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
    }


def _check_name(name: str, what: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise ValidationError(f"{what}: 1 to {MAX_NAME_CHARS} printable characters, no blanks around them")


def _check_limits(limits: TeamLimits) -> None:
    for name, value in limits.columns().items():
        lowest = -10 if name == "max_priority" else 0
        if isinstance(value, int | float) and not lowest <= value < 2**31:
            raise ValidationError(f"{name}: {value} is out of range")
    if not limits.weight > 0:
        raise ValidationError("weight: must be greater than 0")
    if limits.max_priority > 10:
        raise ValidationError("max_priority: must be -10 to 10")


def _check_scopes(scopes: Sequence[str]) -> None:
    known = ", ".join(sorted(ALL_SCOPES))
    unknown = sorted(set(scopes) - ALL_SCOPES)
    if unknown:
        raise ValidationError(f"unknown scope {', '.join(unknown)}; known: {known}")
    if not scopes:
        raise ValidationError(f"a key needs at least one scope of {known}")
