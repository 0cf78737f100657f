"""The keys of teams: made, changed, rotated and revoked. Every change is noted in the audit log."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.engine import Database
from app.db.unit_of_work import UnitOfWork
from app.domain.audit_log import changed
from app.domain.authority import Authority
from app.domain.errors import ConflictError, ForbiddenError, NotFoundError
from app.domain.keys import PREFIX_CHARS, Scope, key_digest, make_key
from app.domain.page import Numbered, Page, page_of
from app.domain.task import TeamId
from app.domain.team_keys import Key, NewKey, read_expiry, read_scopes
from app.domain.teams import check_name
from app.domain.wire_json import rfc3339
from app.services.teams import find_team

KEY_FIELDS = ("name", "scopes", "expires_at")


class Keys:
    """The use cases of `/v1/keys` and of `acestep-service key`.

    Who is no admin reaches the keys of the own team only: others do not exist for it.
    """

    def __init__(self, database: Database, *, pepper: bytes) -> None:
        self._database = database
        self._pepper = pepper

    async def create(
        self,
        by: Authority,
        team: TeamId | UUID | str,
        *,
        name: str,
        scopes: Sequence[str],
        expires_at: Any = None,
    ) -> NewKey:
        """Make a key of a team; from then on no call is accepted without one.

        Raises:
            ValidationError: a name, scope or time that cannot be.
            ForbiddenError: a right that `by` does not hold.
            NotFoundError: no such team.
        """
        check_name(name, "key name")
        wanted, expiry = read_scopes(scopes), read_expiry(expires_at)
        by.check_grant(wanted)
        async with self._database.transaction() as work:
            number = await _team_for(work, by, team)
            made = await self._add(work, by, number, name, wanted, expiry)
            await work.audit.note(by.name, "key.created", f"key {made.key.id}", _shown(made.key))
        return made

    async def page(
        self, by: Authority, *, team: UUID | None = None, after: UUID | None = None, limit: int
    ) -> Page[Key]:
        """One page of keys, oldest first, revoked and expired ones too."""
        async with self._database.autocommit() as work:
            found = await work.keys.page(by.reach, team=team, after=after, most=limit + 1)
        return page_of(found, limit, lambda key: key.id)

    async def all(self, by: Authority, team: str | None = None) -> list[Key]:
        """List the keys of one team, by its name, or of all; revoked and expired ones too.

        Raises:
            NotFoundError: no such team.
        """
        async with self._database.autocommit() as work:
            id_ = None if team is None else (await find_team(work, team)).item.id
            return await work.keys.page(by.reach, team=id_)

    async def one(self, by: Authority, reference: str) -> Key:
        """Show a key, named by its id or its prefix.

        Raises:
            NotFoundError: no such key.
            ConflictError: two keys have this prefix.
        """
        async with self._database.autocommit() as work:
            return (await _find(work, by, reference)).item

    async def change(self, by: Authority, reference: str, fields: Mapping[str, Any]) -> Key:
        """Change name, scopes or expiry of a key.

        Raises:
            ValidationError: a value that cannot be.
            ForbiddenError: the key would get, or keep for longer, a right that `by` does not hold.
            NotFoundError, ConflictError: as `one`; a revoked key stays as it is.
        """
        values = _read(fields)
        async with self._database.transaction() as work:
            found = await _find_live(work, by, reference)
            before = found.item
            _check_change(by, before, values)
            difference = changed({name: getattr(before, name) for name in values}, values)
            if not difference:
                return before
            after = await work.keys.change(found.number, values)
            await work.audit.note(by.name, "key.changed", f"key {after.id}", difference)
        return after

    async def rotate(self, by: Authority, reference: str, *, overlap: timedelta) -> NewKey:
        """Make a successor with the same rights, and let the old key end after an overlap.

        Where the old key was made to expire, the successor lives as long from now.

        Raises:
            ForbiddenError: a right that `by` does not hold.
            NotFoundError, ConflictError: as `one`; a key that has ended has no successor.
        """
        async with self._database.transaction() as work:
            found = await _find_live(work, by, reference)
            old = found.item
            if old.state != "active":
                raise ConflictError("the key has expired; make a new one")
            by.check_grant(old.scopes)
            now = datetime.now(UTC)
            life = old.expires_at and old.expires_at - old.created_at
            team = await find_team(work, old.team_id)
            made = await self._add(
                work, by, TeamId(team.number), old.name, old.scopes, now + life if life else None
            )
            ends_at = min(now + overlap, old.expires_at or now + overlap)
            await work.keys.change(found.number, {"expires_at": ends_at})
            change = {"successor": str(made.key.id), "expires_at": rfc3339(ends_at)}
            await work.audit.note(by.name, "key.rotated", f"key {old.id}", change)
            await work.audit.note(by.name, "key.created", f"key {made.key.id}", _shown(made.key))
        return made

    async def revoke(self, by: Authority, reference: str) -> Key:
        """End a key; a revoked one stays as it is.

        Raises:
            ForbiddenError: an admin's key, and `by` is none.
            NotFoundError, ConflictError: as `one`.
        """
        async with self._database.transaction() as work:
            found = await _find(work, by, reference, locked=True)
            if found.item.revoked_at is not None:
                return found.item
            _check_rank(by, found.item)
            revoked = await work.keys.revoke(found.number)
            await work.audit.note(by.name, "key.revoked", f"key {revoked.id}", _shown(revoked))
        return revoked

    async def _add(
        self,
        work: UnitOfWork,
        by: Authority,
        team: TeamId,
        name: str,
        scopes: Sequence[str],
        expires_at: datetime | None,
    ) -> NewKey:
        text = make_key()
        key = await work.keys.add(
            team,
            name=name,
            prefix=text[:PREFIX_CHARS],
            last4=text[-4:],
            digest=key_digest(text.encode(), self._pepper),
            scopes=scopes,
            expires_at=expires_at,
            created_by=by.name,
        )
        return NewKey(text=text, key=key)


async def _team_for(work: UnitOfWork, by: Authority, team: TeamId | UUID | str) -> TeamId:
    """Find the team of a new key; to others than admins every team but their own is equally far."""
    if by.team_id is not None and not by.is_admin:
        own = await find_team(work, by.team_id)
        if team not in (by.team_id, own.item.id):
            raise ForbiddenError("only an admin key may make keys of another team")
        return by.team_id
    return TeamId((await find_team(work, team)).number)


def _read(fields: Mapping[str, Any]) -> dict[str, Any]:
    readers = {
        "name": lambda value: check_name(value, "key name"),
        "scopes": read_scopes,
        "expires_at": read_expiry,
    }
    return {name: readers[name](fields[name]) for name in KEY_FIELDS if name in fields}


async def _find(work: UnitOfWork, by: Authority, reference: str, *, locked: bool = False) -> Numbered[Key]:
    found = await work.keys.named(by.reach, reference, locked=locked)
    if not found:
        raise NotFoundError("key not found")
    if len(found) > 1:
        raise ConflictError(f"{len(found)} keys begin with {reference}; name the id")
    return found[0]


async def _find_live(work: UnitOfWork, by: Authority, reference: str) -> Numbered[Key]:
    """Find a key that is to live on; an admin's one is for admins only."""
    found = await _find(work, by, reference, locked=True)
    if found.item.revoked_at is not None:
        raise ConflictError("the key is revoked")
    _check_rank(by, found.item)
    return found


def _check_rank(by: Authority, key: Key) -> None:
    if Scope.ADMIN in key.scopes and not by.is_admin:
        raise ForbiddenError("only an admin key may change the key of an admin")


def _check_change(by: Authority, key: Key, values: Mapping[str, Any]) -> None:
    """Refuse rights that `by` does not hold: new ones, and any for a longer time."""
    scopes = values.get("scopes", key.scopes)
    by.check_grant(set(scopes) - set(key.scopes))
    expiry = values.get("expires_at", key.expires_at)
    if key.expires_at is not None and (expiry is None or expiry > key.expires_at):
        by.check_grant(scopes)


def _shown(key: Key) -> dict[str, object]:
    return {
        "team": key.team,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": key.scopes,
        "expires_at": rfc3339(key.expires_at) if key.expires_at else None,
    }
