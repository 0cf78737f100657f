"""Where a request came from, as it is kept with a task."""

from collections.abc import Mapping

from app.api.context import HttpRequest, context_of
from app.domain.credentials import without_credentials

_MAX_AGENT_CHARS = 256


def client_of(request: HttpRequest) -> Mapping[str, str] | None:
    """Return address and user agent, or None where the operator does not want them kept."""
    if not context_of(request).config.record_client:
        return None
    address = request.client.host if request.client else ""
    agent = without_credentials(request.headers.get("user-agent", ""))
    return {"ip": address, "user_agent": agent[:_MAX_AGENT_CHARS]}
