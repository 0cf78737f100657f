"""Every route of the service and the right that it asks for, written down from the specification by hand."""

import re
from collections.abc import Iterator
from uuid import uuid4

NOBODY = "no key"
ANY_KEY = "any key"

RIGHTS = {
    "GET /health": NOBODY,
    "GET /docs": NOBODY,
    "GET /openapi.json": NOBODY,
    "GET /studio": NOBODY,
    "GET /admin": NOBODY,
    "GET /web/{path}": NOBODY,
    "POST /release_task": "tasks:write",
    "POST /format_input": "tasks:write",
    "POST /create_random_sample": "tasks:write",
    "POST /query_result": "tasks:read",
    "GET /v1/audio": "audio:read",
    "HEAD /v1/audio": "audio:read",
    "GET /v1/models": ANY_KEY,
    "GET /v1/model_inventory": ANY_KEY,
    "GET /v1/stats": "stats:read",
    "GET /v1/tasks": "tasks:read",
    "GET /v1/tasks/export": "tasks:read",
    "GET /v1/tasks/stream": "tasks:read",
    "GET /v1/tasks/{task_id}": "tasks:read",
    "GET /v1/tasks/{task_id}/stream": "tasks:read",
    "PATCH /v1/tasks/{task_id}": "tasks:write",
    "POST /v1/tasks/{task_id}/retry": "tasks:write",
    "POST /v1/tasks/{task_id}/rerun": "tasks:write",
    "POST /v1/tasks/{task_id}/cancel": "tasks:cancel",
    "DELETE /v1/tasks/{task_id}": "tasks:delete",
    "GET /v1/usage": "usage:read",
    "GET /v1/teams": "admin",
    "POST /v1/teams": "admin",
    "GET /v1/teams/{team_id}": "admin",
    "PATCH /v1/teams/{team_id}": "admin",
    "GET /v1/teams/{team_id}/webhooks": "team:manage",
    "POST /v1/teams/{team_id}/webhooks": "team:manage",
    "PATCH /v1/teams/{team_id}/webhooks/{webhook_id}": "team:manage",
    "DELETE /v1/teams/{team_id}/webhooks/{webhook_id}": "team:manage",
    "GET /v1/teams/{team_id}/webhooks/{webhook_id}/deliveries": "team:manage",
    "GET /v1/teams/{team_id}/webhooks/deliveries": "team:manage",
    "POST /v1/teams/{team_id}/webhooks/deliveries/{delivery_id}/redeliver": "team:manage",
    "POST /v1/teams/{team_id}/webhook-secret": "team:manage",
    "GET /v1/keys": "team:manage",
    "POST /v1/keys": "team:manage",
    "GET /v1/keys/{key_id}": "team:manage",
    "PATCH /v1/keys/{key_id}": "team:manage",
    "DELETE /v1/keys/{key_id}": "team:manage",
    "POST /v1/keys/{key_id}/rotate": "team:manage",
    "GET /metrics": "admin",
    "GET /v1/admin/status": "admin",
    "GET /v1/admin/workers": "admin",
    "GET /v1/admin/audit": "admin",
    "GET /v1/admin/tasks/{task_id}/traceback": "admin",
    "POST /v1/admin/queue/pause": "admin",
    "POST /v1/admin/queue/resume": "admin",
    "POST /v1/admin/workers/{worker_id}/drain": "admin",
}
OWN_RIGHTS = {"GET /v1/teams/me": ANY_KEY, "PATCH /v1/teams/me": "team:manage"}
"""Where the address says `me`."""

WITH_BODY = ("POST", "PATCH")
PREFIXES = ("", "/api")


def doors(*, prefixes: tuple[str, ...] = PREFIXES) -> Iterator[tuple[str, str, str]]:
    """Verb, an address and the needed right of every route, with ids that nobody has."""
    for prefix in prefixes:
        for route, right in (*RIGHTS.items(), *OWN_RIGHTS.items()):
            verb, path = route.split(" ")
            yield verb, prefix + re.sub(r"{\w+}", str(uuid4()), path), right
