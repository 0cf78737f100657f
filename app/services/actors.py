"""Who acts, as events and the audit log name it."""

from app.db.tasks import Actor
from app.domain.keys import Scope
from app.domain.task import Caller


def actor_of(caller: Caller) -> Actor:
    """Return the actor of a request, for the events of a task."""
    return Actor(kind=_kind(caller), id=None if caller.key_id is None else str(caller.key_id))


def name_of(caller: Caller) -> str:
    """Return the visible part of the key, or what stands for it, for the audit log."""
    return caller.key_prefix or _kind(caller)


def _kind(caller: Caller) -> str:
    return "admin" if Scope.ADMIN in caller.scopes else "client"
