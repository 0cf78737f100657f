"""The log of changes to teams, keys and settings, written in the transaction of the change."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.audit_log import AuditEntry
from app.domain.page import Numbered

_NOTE = text("""
INSERT INTO audit_log (actor, action, object, change)
VALUES (:actor, :action, :object, CAST(:change AS jsonb))
""")
_PAGE = text("""
SELECT id, at, actor, action, object, change FROM audit_log
WHERE CAST(:before AS bigint) IS NULL OR id < CAST(:before AS bigint)
ORDER BY id DESC LIMIT :most
""")


class Audit:
    """Statements on the `audit_log` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, actor: str, action: str, object_: str, change: Mapping[str, Any]) -> None:
        """Record who changed what; `change` never holds a secret."""
        values = {"actor": actor, "action": action, "object": object_}
        await self._connection.execute(_NOTE, {**values, "change": msgspec.json.encode(change).decode()})

    async def page(self, *, before: int | None, most: int) -> list[Numbered[AuditEntry]]:
        """Entries before a number, newest first."""
        rows = await self._connection.execute(_PAGE, {"before": before, "most": most})
        return [
            Numbered(
                number=row.id,
                item=AuditEntry(
                    at=row.at, actor=row.actor, action=row.action, object=row.object, change=row.change
                ),
            )
            for row in rows
        ]
