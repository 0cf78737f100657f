"""Webhook endpoints of teams."""

from app.api.operations.build import BODY_ERRORS, KEY_ERRORS, Described, operation, parameter, ref
from app.domain.endpoints import DELIVERY_STATES

_PREFIX = "/v1/teams/{team_id}"


def paths() -> Described:
    """Return the routes of this file."""
    endpoint = f"{_PREFIX}/webhooks/{{webhook_id}}"
    return {
        f"{_PREFIX}/webhooks": {"get": _list(), "post": _add()},
        endpoint: {"patch": _change(), "delete": _delete()},
        f"{endpoint}/deliveries": {"get": _deliveries()},
        f"{_PREFIX}/webhooks/deliveries": {"get": _all_deliveries()},
        f"{_PREFIX}/webhooks/deliveries/{{delivery_id}}/redeliver": {"post": _redeliver()},
        f"{_PREFIX}/webhook-secret": {"post": _team_secret()},
    }


def json_body(schema: Described, *, required: bool = False) -> Described:
    """Describe a body that is JSON only."""
    return {"required": required, "content": {"application/json": {"schema": schema}}}


def _list() -> Described:
    return operation(
        "webhooks",
        "List the webhook endpoints of a team",
        "Each with what came of its latest delivery. Secrets are never shown again.",
        answer=ref("EndpointList"),
        errors=(*KEY_ERRORS, 404),
        parameters=[_TEAM],
    )


def _add() -> Described:
    return operation(
        "add_webhook",
        "Make a webhook endpoint",
        "The answer shows the signing secret, this once.",
        answer=ref("Endpoint"),
        errors=(*BODY_ERRORS, 404, 409),
        body=json_body(ref("NewEndpoint"), required=True),
        parameters=[_TEAM],
    )


def _change() -> Described:
    return operation(
        "change_webhook",
        "Change a webhook endpoint",
        "`rotate_secret` makes a new secret; the one before signs too for `overlap_hours`. Deliveries that "
        "wait go to the new address.",
        answer=ref("Endpoint"),
        errors=(*BODY_ERRORS, 404),
        body=json_body(ref("EndpointPatch")),
        parameters=[_TEAM, _ENDPOINT],
    )


def _delete() -> Described:
    return operation(
        "delete_webhook",
        "Delete a webhook endpoint",
        "Its deliveries go with it, those that wait too.",
        answer=ref("Deleted"),
        errors=(*KEY_ERRORS, 404),
        parameters=[_TEAM, _ENDPOINT],
    )


def _deliveries() -> Described:
    return operation(
        "webhook_deliveries",
        "List what an endpoint was told",
        "The newest first, for 30 days, each with its tries and the beginning of the receiver's answers.",
        answer=ref("DeliveryPage"),
        errors=(*KEY_ERRORS, 404),
        parameters=[
            _TEAM,
            _ENDPOINT,
            *_page_parameters(),
        ],
    )


def _all_deliveries() -> Described:
    state: Described = {"type": "string", "enum": list(DELIVERY_STATES)}
    task: Described = {"type": "string", "format": "uuid"}
    return operation(
        "all_webhook_deliveries",
        "List what a team was told",
        "At all endpoints and by the `webhook_url`s of single tasks, the newest first, for 30 days. "
        "`state=dead` shows what was given up.",
        answer=ref("DeliveryPage"),
        errors=(*KEY_ERRORS, 404),
        parameters=[
            _TEAM,
            parameter("query", "state", "Only deliveries in this state.", state),
            parameter("query", "task_id", "Only what this task gave to tell.", task),
            *_page_parameters(),
        ],
    )


def _page_parameters() -> list[Described]:
    limit: Described = {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    return [
        parameter("query", "limit", "Items of a page.", limit),
        parameter("query", "cursor", "`next_cursor` of the page before.", {"type": "string"}),
    ]


def _redeliver() -> Described:
    about = "Whatever came of it. The event id stays the same, so that receivers can tell duplicates."
    nothing: Described = {"type": "object", "properties": {"ai_token": {"type": "string"}}}
    return operation(
        "redeliver",
        "Send an event once more",
        about,
        answer=ref("Delivery"),
        errors=(*BODY_ERRORS, 404),
        body=json_body(nothing | {"additionalProperties": False}),
        parameters=[_TEAM, _id("delivery_id", "Id of the delivery.")],
    )


def _team_secret() -> Described:
    return operation(
        "rotate_webhook_secret",
        "Make a new secret for the webhooks of single tasks",
        "It signs what goes to a task's own `webhook_url`. Shown this once; the one before signs too for "
        "`overlap_hours`.",
        answer=ref("TeamSecret"),
        errors=(*BODY_ERRORS, 404),
        body=json_body(ref("Rotation")),
        parameters=[_TEAM],
    )


def _id(name: str, about: str) -> Described:
    return parameter("path", name, about, {"type": "string", "format": "uuid"}, required=True)


_TEAM = parameter(
    "path",
    "team_id",
    "`me`, or the id of a team; another team's is known to an admin only.",
    {"type": "string", "examples": ["me"]},
    required=True,
)
_ENDPOINT = _id("webhook_id", "Id of the endpoint.")
