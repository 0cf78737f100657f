"""What every handler reaches through its request."""

from dataclasses import dataclass
from typing import TypeAlias

from litestar import Request
from litestar.datastructures import State

from app.api.auth import Authenticator
from app.api.config import HttpConfig
from app.api.counted import Counted
from app.services import Services

HttpRequest: TypeAlias = Request[None, None, State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The parts behind the routes."""

    services: Services
    config: HttpConfig
    auth: Authenticator
    counted: Counted


def context_of(request: HttpRequest) -> Context:
    """Return the parts that the application was built with."""
    context = request.app.state["context"]
    assert isinstance(context, Context)
    return context


def request_id_of(request: HttpRequest) -> str:
    """Return the id that the front gave to this request."""
    return str(request.scope["state"]["request_id"])
