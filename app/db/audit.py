"""The log of changes to teams, keys and settings, written in the transaction of the change."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NOTE = text("""
INSERT INTO audit_log (actor, action, object, change)
VALUES (:actor, :action, :object, CAST(:change AS jsonb))
""")


class Audit:
    """Statements on the `audit_log` table."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, actor: str, action: str, object_: str, change: Mapping[str, Any]) -> None:
        """Record who changed what; `change` never holds a secret."""
        values = {"actor": actor, "action": action, "object": object_}
        await self._connection.execute(_NOTE, {**values, "change": msgspec.json.encode(change).decode()})
