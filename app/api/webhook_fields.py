"""What clients send about webhooks: read strictly, and described by the OpenAPI document."""

from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from app.domain.webhook import EndpointChange

_Url = Annotated[
    str, Meta(max_length=1024, description="An https address.", examples=["https://example.org/"])
]
_Event = Literal["task.succeeded", "task.failed", "task.cancelled", "task.started"]
_Events = Annotated[list[_Event], Meta(min_length=1, max_length=16)]
_Hours = Annotated[
    float, Meta(ge=0, le=168, description="How long the secret before signs too; 0 ends it at once.")
]


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint; without `events` it gets those of the three final states."""

    url: _Url
    events: _Events | None = None
    active: bool = True

    def change(self) -> EndpointChange:
        """The fields for the service."""
        return EndpointChange(url=self.url, events=_unique(self.events), active=self.active)


class EndpointPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of an endpoint to change; null is as good as absent."""

    url: _Url | None = None
    events: _Events | None = None
    active: bool | None = None
    rotate_secret: bool = False
    overlap_hours: _Hours = 24

    def change(self) -> EndpointChange:
        """The fields for the service."""
        return EndpointChange(
            url=self.url,
            events=_unique(self.events),
            active=self.active,
            rotate_secret=self.rotate_secret,
            overlap=timedelta(hours=self.overlap_hours),
        )


class Rotation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a secret is replaced."""

    overlap_hours: _Hours = 24


def _unique(events: list[_Event] | None) -> list[str] | None:
    return None if events is None else list(dict.fromkeys(events))
