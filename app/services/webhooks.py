"""Webhook endpoints of a team, its own signing secret, and the list of deliveries."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from app.db.engine import Database
from app.db.unit_of_work import UnitOfWork
from app.db.webhooks import StoredEndpoint
from app.domain.addresses import Network
from app.domain.endpoints import (
    Deleted,
    Delivery,
    DeliveryPage,
    DeliveryState,
    Endpoint,
    EndpointList,
    LastDelivery,
    TeamSecret,
)
from app.domain.errors import ConflictError, NotFoundError, ValidationError
from app.domain.keys import Scope
from app.domain.task import Caller, TaskId, TeamId, parse_id
from app.domain.webhook import MAX_ENDPOINTS, EndpointChange, make_secret, without_query
from app.domain.webhook_url import parse_webhook_url, refuse_private_address
from app.domain.wire_json import rfc3339
from app.services.sealing import Sealing

OWN_TEAM = "me"


class Webhooks:
    """The use cases behind `/v1/teams/{id}/webhooks` and `/v1/teams/{id}/webhook-secret`.

    `team` is `me` or a public id as text; a foreign one is as unknown as one that does not exist, but to an
    admin. So are endpoints and deliveries of other teams.
    """

    def __init__(
        self, database: Database, sealing: Sealing, *, allow_http: bool, allowed: Sequence[Network]
    ) -> None:
        self._database = database
        self._sealing = sealing
        self._allow_http = allow_http
        self._allowed = allowed

    async def endpoints(self, caller: Caller, team: str) -> EndpointList:
        """List the endpoints of a team."""
        async with self._of(caller, team) as (work, team_id):
            found = await work.webhooks.all(team_id)
        return EndpointList(items=[_shown(stored, last=last) for stored, last in found])

    async def add(self, caller: Caller, team: str, change: EndpointChange) -> Endpoint:
        """Make an endpoint, and show its secret this once.

        Raises:
            ValidationError: an address that cannot be used.
            ConflictError: the team has as many as it may.
        """
        if change.url is None:
            raise ValidationError("url is missing")
        url, secret = self._checked(change.url), make_secret()
        async with self._of(caller, team) as (work, team_id):
            stored = await work.webhooks.add(
                team_id,
                url=url,
                secrets=self._sealing.rotated(secret, []),
                events=change.events_or_default,
                active=change.active is not False,
                most=MAX_ENDPOINTS,
            )
            if stored is None:
                raise ConflictError(f"the team has {MAX_ENDPOINTS} webhook endpoints, which is the most")
            shown = {"url": without_query(url), "events": stored.events}
            await _note(work, caller, "webhook.created", stored.id, shown)
        return _shown(stored, secret=secret)

    async def change(
        self, caller: Caller, team: str, endpoint_id: UUID | None, change: EndpointChange
    ) -> Endpoint:
        """Change an endpoint, and rotate its secret if asked to; then the new one is shown this once."""
        async with self._of(caller, team) as (work, team_id):
            stored = await work.webhooks.lock(team_id, endpoint_id) if endpoint_id else None
            if stored is None:
                raise _unknown()
            secret = make_secret() if change.rotate_secret else None
            changed = replace(
                stored,
                url=stored.url if change.url is None else self._checked(change.url),
                events=stored.events if change.events is None else list(change.events),
                active=stored.active if change.active is None else change.active,
                secrets=stored.secrets
                if secret is None
                else self._sealing.rotated(secret, stored.secrets, overlap=change.overlap),
            )
            await work.webhooks.update(changed)
            await _note(work, caller, "webhook.changed", changed.id, change.noted())
        return _shown(changed, secret=secret)

    async def delete(self, caller: Caller, team: str, endpoint_id: UUID | None) -> Deleted:
        """Delete an endpoint; what was not delivered yet never is."""
        async with self._of(caller, team) as (work, team_id):
            if endpoint_id is None or not await work.webhooks.delete(team_id, endpoint_id):
                raise _unknown()
            await _note(work, caller, "webhook.deleted", endpoint_id, {})
        return Deleted(id=str(endpoint_id))

    async def deliveries(
        self, caller: Caller, team: str, endpoint_id: UUID | None, *, cursor: UUID | None, limit: int
    ) -> DeliveryPage:
        """List deliveries of an endpoint, the newest first.

        Args:
            cursor: the last delivery of the page before.
        """
        async with self._of(caller, team) as (work, team_id):
            if endpoint_id is None or not await work.webhooks.exists(team_id, endpoint_id):
                raise _unknown()
            found = await work.deliveries.page(team_id, endpoint_id, after=cursor, limit=limit + 1)
        return _page(found, limit)

    async def all_deliveries(
        self,
        caller: Caller,
        team: str,
        *,
        state: DeliveryState | None,
        task_id: TaskId | None,
        cursor: UUID | None,
        limit: int,
    ) -> DeliveryPage:
        """List deliveries of a team, those to the `webhook_url` of a single task too, the newest first."""
        async with self._of(caller, team) as (work, team_id):
            found = await work.deliveries.page_of_team(
                team_id, state=state, task_id=task_id, after=cursor, limit=limit + 1
            )
        return _page(found, limit)

    async def redeliver(self, caller: Caller, team: str, delivery_id: UUID | None) -> Delivery:
        """Make a delivery due now, whatever came of it; its event id stays."""
        async with self._of(caller, team) as (work, team_id):
            delivery = await work.deliveries.again(team_id, delivery_id) if delivery_id else None
            if delivery is None:
                raise NotFoundError("delivery not found")
            await _note(work, caller, "webhook.redelivered", delivery.id, {})
        return delivery

    async def rotate_team_secret(self, caller: Caller, team: str, *, overlap: timedelta) -> TeamSecret:
        """Make a new secret for the webhooks of single tasks, and show it this once."""
        secret = make_secret()
        async with self._of(caller, team) as (work, team_id):
            stored = self._sealing.rotated(secret, await work.webhooks.team_secrets(team_id), overlap=overlap)
            public_id = await work.webhooks.set_team_secrets(team_id, stored)
            await work.audit.note(_actor(caller), "team.webhook_secret_rotated", f"team {public_id}", {})
        return TeamSecret(secret=secret, old_secret_until=_old_until(stored))

    @asynccontextmanager
    async def _of(self, caller: Caller, team: str) -> AsyncIterator[tuple[UnitOfWork, TeamId]]:
        """A transaction on a team that the caller may manage."""
        async with self._database.transaction() as work:
            if team == OWN_TEAM:
                yield work, caller.team_id
                return
            public_id = parse_id(team)
            reach = None if Scope.ADMIN in caller.scopes else caller.team_id
            team_id = await work.webhooks.team(reach, public_id) if public_id else None
            if team_id is None:
                raise NotFoundError("team not found")
            yield work, team_id

    def _checked(self, url: str) -> str:
        """Read an address; one that names a private address itself is refused here, others at delivery."""
        parsed = parse_webhook_url(url, allow_http=self._allow_http)
        refuse_private_address(parsed, allowed=self._allowed)
        return parsed


def _page(found: Sequence[Delivery] | None, limit: int) -> DeliveryPage:
    if found is None:
        raise ValidationError("cursor is not one of this list")
    has_more = len(found) > limit
    items = list(found[:limit])
    return DeliveryPage(items=items, next_cursor=items[-1].id if has_more else None, has_more=has_more)


def _shown(
    stored: StoredEndpoint, *, secret: str | None = None, last: LastDelivery | None = None
) -> Endpoint:
    return Endpoint(
        id=str(stored.id),
        url=stored.url,
        events=stored.events,
        active=stored.active,
        created_at=rfc3339(stored.created_at),
        secret=secret,
        old_secret_until=_old_until(stored.secrets),
        last_delivery=last,
    )


def _old_until(secrets: Sequence[Mapping[str, Any]]) -> str | None:
    now = rfc3339(datetime.now(UTC))
    return next((each["expires_at"] for each in secrets if (each["expires_at"] or "") > now), None)


def _unknown() -> NotFoundError:
    return NotFoundError("webhook not found")


def _actor(caller: Caller) -> str:
    return caller.key_prefix or "bootstrap"


async def _note(
    work: UnitOfWork, caller: Caller, action: str, id_: UUID | str, change: Mapping[str, Any]
) -> None:
    await work.audit.note(_actor(caller), action, f"webhook {id_}", change)
