"""On whose behalf teams and keys are changed, and how far that reaches."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.errors import ForbiddenError
from app.domain.keys import ALL_SCOPES, Scope
from app.domain.task import Caller, TeamId


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who acts.

    Attributes:
        name: for the audit log.
        team_id: the own team; None for the command line, which belongs to none.
    """

    name: str
    scopes: frozenset[str]
    team_id: TeamId | None = None

    @classmethod
    def of(cls, caller: Caller) -> "Authority":
        """The authority of a request."""
        return cls(name=caller.key_prefix or "bootstrap", scopes=caller.scopes, team_id=caller.team_id)

    @classmethod
    def operator(cls, name: str) -> "Authority":
        """The authority of somebody with access to the machine."""
        return cls(name=name, scopes=ALL_SCOPES)

    @property
    def is_admin(self) -> bool:
        """Whether everything may be done, in all teams."""
        return Scope.ADMIN in self.scopes

    @property
    def reach(self) -> TeamId | None:
        """The only team whose keys may be seen and changed; None = all of them."""
        return None if self.is_admin else self.team_id

    def check_grant(self, scopes: Iterable[str]) -> None:
        """Return if these rights may be given to a key.

        Raises:
            ForbiddenError: not all of them are held.
        """
        beyond = sorted(set(scopes) - self.scopes)
        if beyond and not self.is_admin:
            raise ForbiddenError(f"a key cannot grant what it does not hold: {', '.join(beyond)}")
