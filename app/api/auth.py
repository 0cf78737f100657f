"""Who is calling: a key in the body or in the header, or nobody in open mode."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from app.api.access import seen_key
from app.api.config import HttpConfig
from app.domain.aliases import TOKEN_FIELD
from app.domain.errors import ForbiddenError, UnauthorizedError
from app.domain.keys import ALL_SCOPES, OPEN_SCOPES, Scope, is_well_formed, key_digest
from app.domain.task import Caller, TeamId

_BEARER = "bearer"


class Authenticator:
    """Finds the caller of a request.

    Open mode: no bootstrap key is configured and no key was ever created; every call then belongs to the
    default team.
    """

    def __init__(
        self,
        config: HttpConfig,
        *,
        find_key: Callable[[bytes], Awaitable[Caller | None]],
        has_keys: Callable[[], Awaitable[bool]],
    ) -> None:
        self._pepper = config.key_pepper
        self._bootstrap = self._digest(config.bootstrap_key) if config.bootstrap_key else None
        self._operator = Caller(team_id=config.default_team_id, key_id=None, scopes=ALL_SCOPES)
        self._anyone = Caller(team_id=config.default_team_id, key_id=None, scopes=OPEN_SCOPES, is_open=True)
        self._find_key = find_key
        self._has_keys = has_keys

    async def by_body(
        self, body: Mapping[str, Any], authorization: str | None, scope: Scope | None
    ) -> Caller:
        """Return the caller of a route that reads a body; no scope = any valid key.

        Raises:
            UnauthorizedError: no key, or a wrong one.
            ForbiddenError: the key lacks the scope.
        """
        if await self.is_open():
            return _allowed(self._anyone, scope)
        token = body.get(TOKEN_FIELD)
        # ai_token decides alone: a valid header does not rescue a wrong one (API reference, section 1).
        if token is not None and token != "":
            return _allowed(await self._caller(str(token), "invalid ai_token"), scope)
        key = _key_of(authorization)
        if not key:
            raise UnauthorizedError("missing ai_token or Authorization header")
        return _allowed(await self._caller(key, "invalid API key"), scope)

    async def by_header(self, authorization: str | None, scope: Scope | None = None) -> Caller:
        """Return the caller of a route without a body; no scope = any valid key.

        Raises:
            UnauthorizedError: no key, or a wrong one.
            ForbiddenError: the key lacks the scope.
        """
        if await self.is_open():
            return _allowed(self._anyone, scope)
        key = _key_of(authorization)
        if not key:
            raise UnauthorizedError("missing Authorization header")
        return _allowed(await self._caller(key, "invalid API key"), scope)

    async def is_open(self) -> bool:
        """Whether everybody may call, without a key."""
        return self._bootstrap is None and not await self._has_keys()

    async def _caller(self, key: str, refusal: str) -> Caller:
        digest = self._digest(key)
        if self._bootstrap is not None and hmac.compare_digest(digest, self._bootstrap):
            seen_key.set("bootstrap")
            return self._operator
        caller = await self._find_key(digest) if is_well_formed(key) else None
        if caller is None:
            raise UnauthorizedError(refusal)
        seen_key.set(caller.key_prefix)
        return caller

    def _digest(self, key: str) -> bytes:
        return key_digest(key.encode("utf-8", "surrogatepass"), self._pepper)


def sees_all_teams(caller: Caller) -> bool:
    """Whether statistics of every team are shown: to an admin, and to anyone in open mode."""
    return Scope.ADMIN in caller.scopes or caller.key_id is None


def reach(caller: Caller) -> TeamId | None:
    """The team whose tasks the own routes show: None, all of them, only to an admin."""
    return None if Scope.ADMIN in caller.scopes else caller.team_id


def _key_of(authorization: str | None) -> str:
    """Return the key of `Bearer <key>` or `<key>`; empty if there is none."""
    value = (authorization or "").strip()
    word, _, rest = value.partition(" ")
    return rest.strip() if word.lower() == _BEARER else value


def _allowed(caller: Caller, scope: Scope | None) -> Caller:
    if scope is None or scope in caller.scopes or Scope.ADMIN in caller.scopes:
        return caller
    if caller.is_open:
        raise ForbiddenError("not without a key; make the first one with: acestep-service key create default")
    raise ForbiddenError(f"the key lacks the scope {scope}")
