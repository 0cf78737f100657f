"""The log of changes to teams, keys and settings, written in the transaction of the change."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.audit_log import AuditEntry

_NOTE = text("""
INSERT INTO audit_log (actor, action, object, change)
VALUES (:actor, :action, :object, CAST(:change AS jsonb)) RETURNING id
""")
_PAGE = text("""
SELECT id AS number, at, actor, action, object, change FROM audit_log
WHERE CAST(:before AS bigint) IS NULL OR id < CAST(:before AS bigint)
ORDER BY id DESC LIMIT :most
""")


class Audit:
    """Statements on the `audit_log` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, actor: str, action: str, object_: str, change: Mapping[str, Any]) -> int:
        """Record who did what; `change` never holds a secret. Returns the number of the entry."""
        values = {"actor": actor, "action": action, "object": object_}
        values["change"] = msgspec.json.encode(change).decode()
        number: int = (await self._connection.execute(_NOTE, values)).scalar_one()
        return number

    async def page(self, *, before: int | None, most: int) -> list[AuditEntry]:
        """Entries before a number, newest first."""
        rows = await self._connection.execute(_PAGE, {"before": before, "most": most})
        return [AuditEntry(**row._mapping) for row in rows]
