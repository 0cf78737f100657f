"""The `Idempotency-Key` of a request: what it looks like, and when two requests are the same one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from app.domain.credentials import without_credentials
from app.domain.errors import ConflictError, ValidationError
from app.domain.inputs import ReceivedFile, Role
from app.domain.task import TeamId

MAX_CHARS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A client's key for one request, and the digest of that request.

    Attributes:
        team_id: team of the caller, to whose keys it belongs, whichever team gets the task.
        is_admin: the caller may ask for tasks of other teams, and for the answers to that.
    """

    key: str
    digest: bytes
    team_id: TeamId
    is_admin: bool = False

    def check(self, digest: bytes | None) -> None:
        """Return if the stored request was this one.

        Raises:
            ConflictError: it was another.
        """
        if digest != self.digest:
            raise ConflictError("this Idempotency-Key was used for another request")


def read_idempotency(
    header: str | None,
    operation: str,
    fields: Mapping[str, Any],
    files: Mapping[Role, ReceivedFile],
    *,
    team_id: TeamId,
    is_admin: bool,
) -> Idempotency | None:
    """Read the header; None if there is none, and nothing is deduplicated.

    Args:
        operation: what is asked for, the object included: one key serves one operation.
        fields: the request as received; credentials in it do not count.
        files: uploaded inputs, told apart by their hashes.

    Raises:
        ValidationError: not 1 to 255 printable characters.
    """
    if header is None:
        return None
    key = header.strip()
    if not key or len(key) > MAX_CHARS or not key.isprintable():
        raise ValidationError(f"Idempotency-Key must have 1 to {MAX_CHARS} printable characters")
    request = {
        "operation": operation,
        "fields": without_credentials(dict(fields)),
        "files": {role.value: file.sha256 for role, file in files.items()},
    }
    encoded = msgspec.json.encode(request, order="deterministic")
    digest = hashlib.sha256(encoded).digest()
    return Idempotency(key=key, digest=digest, team_id=team_id, is_admin=is_admin)
