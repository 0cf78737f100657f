"""The cursor of a list: where a page ended, sealed so that it opens nothing but the rest of the same list."""

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

from app.domain.errors import ValidationError

_UUID_BYTES = 16
_SEAL_BYTES = 16


class Cursors:
    """Makes and reads cursors; the pepper is the secret of the installation.

    A cursor names the last task that was shown, which the client knows already: a number of a row would tell
    how many tasks other teams submit.
    """

    def __init__(self, pepper: bytes) -> None:
        self._key = hmac.digest(pepper, b"cursors of lists", hashlib.sha256)

    def make(self, last: UUID, bound_to: bytes) -> str:
        """Return the cursor that goes on after `last`; `bound_to` is everything that names the list."""
        return base64.urlsafe_b64encode(last.bytes + self._seal(last.bytes, bound_to)).decode().rstrip("=")

    def read(self, cursor: str, bound_to: bytes) -> UUID:
        """Return the task after which the list goes on.

        Raises:
            ValidationError: made up, changed, of another team, or of a list with other filters or order.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        last, seal = raw[:_UUID_BYTES], raw[_UUID_BYTES:]
        if len(last) < _UUID_BYTES or not hmac.compare_digest(seal, self._seal(last, bound_to)):
            raise ValidationError("the cursor does not belong to this list: same filters, order and key")
        return UUID(bytes=last)

    def _seal(self, last: bytes, bound_to: bytes) -> bytes:
        return hmac.digest(self._key, last + bound_to, hashlib.sha256)[:_SEAL_BYTES]
