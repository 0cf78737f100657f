"""Webhook endpoints of teams, and the teams' own signing secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.endpoints import LastDelivery, delivery_state
from app.domain.task import TeamId
from app.domain.wire_json import rfc3339

_TEAM = text("""
SELECT id FROM teams
WHERE public_id = :public_id AND (CAST(:team_id AS bigint) IS NULL OR id = CAST(:team_id AS bigint))
""")
_LOCK_TEAM = text("SELECT webhook_secrets FROM teams WHERE id = :team_id FOR UPDATE")
_SET_TEAM_SECRETS = text(
    "UPDATE teams SET webhook_secrets = CAST(:secrets AS jsonb) WHERE id = :team_id RETURNING public_id"
)

_COLUMNS = "w.id, w.team_id, w.url, w.secrets, w.events, w.active, w.created_at"
_INSERT = text(f"""
INSERT INTO webhook_endpoints AS w (id, team_id, url, secrets, events, active)
SELECT :id, :team_id, :url, CAST(:secrets AS jsonb), CAST(:events AS text[]), :active
WHERE (SELECT count(*) FROM webhook_endpoints WHERE team_id = :team_id) < :most
RETURNING {_COLUMNS}
""")  # noqa: S608 - parts of this file only
_ALL = text(f"""
SELECT {_COLUMNS}, d.created_at AS told_at, d.last_status, d.last_error, d.delivered_at, d.dead_at
FROM webhook_endpoints w
LEFT JOIN LATERAL (
    SELECT created_at, last_status, last_error, delivered_at, dead_at FROM webhook_deliveries
    WHERE endpoint_id = w.id AND tries > 0 ORDER BY created_at DESC, id DESC LIMIT 1
) d ON true
WHERE w.team_id = :team_id ORDER BY w.created_at, w.id
""")  # noqa: S608
_LOCK = text(f"""
SELECT {_COLUMNS} FROM webhook_endpoints w WHERE w.id = :id AND w.team_id = :team_id FOR UPDATE
""")  # noqa: S608
_EXISTS = text("SELECT EXISTS (SELECT FROM webhook_endpoints WHERE id = :id AND team_id = :team_id)")
_UPDATE = text("""
UPDATE webhook_endpoints w
SET url = :url, secrets = CAST(:secrets AS jsonb), events = CAST(:events AS text[]), active = :active
WHERE w.id = :id AND w.team_id = :team_id
""")
_DELETE = text("""
WITH gone AS (
    DELETE FROM webhook_endpoints WHERE id = :id AND team_id = :team_id RETURNING id
), told AS (
    DELETE FROM webhook_deliveries WHERE endpoint_id = (SELECT id FROM gone)
)
SELECT id FROM gone
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEndpoint:
    """One endpoint; its secrets are sealed."""

    id: UUID
    team_id: TeamId
    url: str
    secrets: list[dict[str, Any]] = field(repr=False)
    events: list[str]
    active: bool
    created_at: datetime


class Webhooks:
    """Statements on endpoints, always within one team."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def team(self, team_id: TeamId | None, public_id: UUID) -> TeamId | None:
        """The team of that public id, if it is this one; for None, whichever it is."""
        found = await self._connection.scalar(_TEAM, {"public_id": public_id, "team_id": team_id})
        return None if found is None else TeamId(found)

    async def team_secrets(self, team_id: TeamId) -> list[Any]:
        """Sealed secrets of a team, its row locked until the end of the transaction."""
        secrets: list[Any] = await self._connection.scalar(_LOCK_TEAM, {"team_id": team_id})
        return secrets

    async def set_team_secrets(self, team_id: TeamId, secrets: Sequence[Mapping[str, Any]]) -> UUID:
        """Replace the sealed secrets of a team; returns its public id."""
        values = {"team_id": team_id, "secrets": _json(secrets)}
        return UUID(str((await self._connection.execute(_SET_TEAM_SECRETS, values)).scalar_one()))

    async def add(
        self,
        team_id: TeamId,
        *,
        url: str,
        secrets: Sequence[Any],
        events: Sequence[str],
        active: bool,
        most: int,
    ) -> StoredEndpoint | None:
        """Insert an endpoint; None if the team has as many as it may."""
        values = {
            "id": uuid4(),
            "team_id": team_id,
            "url": url,
            "secrets": _json(secrets),
            "events": list(events),
            "active": active,
            "most": most,
        }
        row = (await self._connection.execute(_INSERT, values)).first()
        return StoredEndpoint(**row._mapping) if row else None

    async def all(self, team_id: TeamId) -> list[tuple[StoredEndpoint, LastDelivery | None]]:
        """Endpoints of a team, oldest first, each with what came of its latest delivery."""
        rows = await self._connection.execute(_ALL, {"team_id": team_id})
        return [_with_last(row) for row in rows]

    async def lock(self, team_id: TeamId, endpoint_id: UUID) -> StoredEndpoint | None:
        """An endpoint of the team, its row locked until the end of the transaction."""
        row = (await self._connection.execute(_LOCK, {"team_id": team_id, "id": endpoint_id})).first()
        return StoredEndpoint(**row._mapping) if row else None

    async def exists(self, team_id: TeamId, endpoint_id: UUID) -> bool:
        """Whether the team has this endpoint."""
        return bool(await self._connection.scalar(_EXISTS, {"team_id": team_id, "id": endpoint_id}))

    async def update(self, endpoint: StoredEndpoint) -> None:
        """Write the fields of an endpoint whose row is locked."""
        values = asdict(endpoint) | {"secrets": _json(endpoint.secrets)}
        await self._connection.execute(_UPDATE, values)

    async def delete(self, team_id: TeamId, endpoint_id: UUID) -> bool:
        """Delete an endpoint of the team with its deliveries; False if there is none."""
        found = await self._connection.scalar(_DELETE, {"team_id": team_id, "id": endpoint_id})
        return found is not None


def _with_last(row: Row[Any]) -> tuple[StoredEndpoint, LastDelivery | None]:
    stored = {name: value for name, value in row._mapping.items() if name in StoredEndpoint.__slots__}
    last = None
    if row.told_at is not None:
        last = LastDelivery(
            at=rfc3339(row.told_at),
            state=delivery_state(row.delivered_at, row.dead_at),
            status=row.last_status,
            error=row.last_error,
        )
    return StoredEndpoint(**stored), last


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
