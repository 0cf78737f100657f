"""Signing secrets at rest: encrypted with a key made of the pepper, and kept in pairs while they rotate."""

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.domain.errors import ConflictError
from app.domain.wire_json import rfc3339

_PURPOSE = b"acestep webhook secrets 1"


class Sealing:
    """Seals and opens lists of secrets, `[{"sealed": …, "expires_at": …}]`, the newest first."""

    def __init__(self, pepper: bytes) -> None:
        key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(pepper)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def rotated(
        self, secret: str, before: Sequence[Mapping[str, Any]], *, overlap: timedelta = timedelta(0)
    ) -> list[dict[str, Any]]:
        """Put a new secret before the newest one so far, which goes on for the overlap."""
        sealed = self._fernet.encrypt(secret.encode()).decode()
        kept = [{**old, "expires_at": rfc3339(datetime.now(UTC) + overlap)} for old in before[:1] if overlap]
        return [{"sealed": sealed, "expires_at": None}, *kept]

    def live(self, stored: Sequence[Mapping[str, Any]]) -> list[str]:
        """Open the secrets that sign now.

        Raises:
            ConflictError: they were sealed with another pepper.
        """
        now = datetime.now(UTC)
        tokens = [
            each["sealed"]
            for each in stored
            if each["expires_at"] is None or datetime.fromisoformat(each["expires_at"]) > now
        ]
        try:
            return [self._fernet.decrypt(token.encode()).decode() for token in tokens]
        except InvalidToken:
            raise ConflictError("the signing secret was sealed with another ACESTEP_KEY_PEPPER") from None
