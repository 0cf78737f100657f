"""Who acts, as events name it."""

from app.db.tasks import Actor
from app.domain.keys import Scope
from app.domain.task import Caller


def actor_of(caller: Caller) -> Actor:
    """Return the actor of a request."""
    kind = "admin" if Scope.ADMIN in caller.scopes else "client"
    return Actor(kind=kind, id=None if caller.key_id is None else str(caller.key_id))
