"""Own routes of teams, keys and usage."""

from typing import Any

from app.api.operations.build import (
    BODY_ERRORS,
    KEY_ERRORS,
    REQUEST_ID,
    Described,
    fields_body,
    list_parameters,
    operation,
    parameter,
    ref,
)
from app.domain.keys import ALL_SCOPES
from app.domain.teams import MAX_NAME_CHARS
from app.domain.usage import GROUPS


def paths() -> Described:
    """Return the routes of this file."""
    return {
        "/v1/teams": {"get": _teams(), "post": _create_team()},
        "/v1/teams/{team_id}": {"get": _team(), "patch": _change_team()},
        "/v1/keys": {"get": _keys(), "post": _create_key()},
        "/v1/keys/{key_id}": {"get": _key(), "patch": _change_key(), "delete": _revoke_key()},
        "/v1/keys/{key_id}/rotate": {"post": _rotate_key()},
        "/v1/usage": {"get": _usage()},
    }


def _teams() -> Described:
    return operation(
        "teams",
        "List all teams",
        "Oldest first. Needs the right `admin`.",
        answer=ref("TeamList"),
        errors=KEY_ERRORS,
        parameters=list_parameters(),
    )


def _create_team() -> Described:
    return operation(
        "create_team",
        "Make a team",
        "Needs the right `admin`. Its name must be free.",
        answer=ref("TeamView"),
        errors=(*BODY_ERRORS, 409),
        body=fields_body(_TEAM, required=["name"]),
    )


def _team() -> Described:
    return operation(
        "team",
        "Show a team",
        "Needs the right `admin`. `me` is the team of the key, any key; then `caller` says what this key may "
        "do, and whether the service is open.",
        answer={"anyOf": [ref("OwnTeam"), ref("TeamView")]},
        errors=(*KEY_ERRORS, 404),
        parameters=[TEAM_ID],
    )


def _change_team() -> Described:
    return operation(
        "change_team",
        "Change a team",
        "Needs the right `admin`; limits hold for the next submission and the next claim. With `team:manage` "
        "a team lowers its own limits as `me`.",
        answer=ref("TeamView"),
        errors=(*BODY_ERRORS, 404, 409),
        body=fields_body(_TEAM),
        parameters=[TEAM_ID],
    )


def _keys() -> Described:
    return operation(
        "keys",
        "List keys",
        "Oldest first, ended ones too. Needs `team:manage`; an admin sees those of all teams.",
        answer=ref("KeyList"),
        errors=KEY_ERRORS,
        parameters=[parameter("query", "team", "Only of this team; for admins.", _UUID), *list_parameters()],
    )


def _create_key() -> Described:
    fields = {
        "name": _NAME,
        "scopes": _SCOPES,
        "expires_at": _EXPIRY,
        "team_id": _UUID | {"type": ["string", "null"]},
    }
    return operation(
        "create_key",
        "Make a key",
        "Needs `team:manage`, and every right that the new key gets. The key is shown this once. Only an "
        "admin may name another team.",
        answer=ref("NewKeyView"),
        errors=(*BODY_ERRORS, 404),
        body=fields_body(fields, required=["name", "scopes"]),
    )


def _key() -> Described:
    about = "Needs `team:manage`."
    return operation(
        "key",
        "Show a key",
        about,
        answer=ref("KeyView"),
        errors=(*KEY_ERRORS, 404),
        parameters=[KEY_ID],
    )


def _change_key() -> Described:
    return operation(
        "change_key",
        "Change name, rights or end of a key",
        "Needs `team:manage`, and every right that the key gets anew or keeps for longer.",
        answer=ref("KeyView"),
        errors=(*BODY_ERRORS, 404, 409),
        body=fields_body({"name": _NAME, "scopes": _SCOPES, "expires_at": _EXPIRY}),
        parameters=[KEY_ID],
    )


def _revoke_key() -> Described:
    return operation(
        "revoke_key",
        "End a key",
        "Needs `team:manage`. It stops within 30 seconds and stays in the list; repeating it is fine.",
        answer=ref("KeyView"),
        errors=(*KEY_ERRORS, 404),
        parameters=[KEY_ID],
    )


def _rotate_key() -> Described:
    overlap = {
        "type": "number",
        "minimum": 0,
        "maximum": 720,
        "default": 24,
        "description": "Hours until the old key ends.",
    }
    return operation(
        "rotate_key",
        "Replace a key",
        "Needs `team:manage` and every right of the key. The successor is shown this once.",
        answer=ref("NewKeyView"),
        errors=(*BODY_ERRORS, 404, 409),
        body=fields_body({"overlap_hours": overlap}),
        parameters=[KEY_ID],
    )


def _usage() -> Described:
    described = operation(
        "usage",
        "Sum up usage",
        "Needs `usage:read`. An admin sees all teams and may group by them.",
        answer=ref("UsageList"),
        errors=KEY_ERRORS,
        parameters=[
            parameter("query", "from", "First UTC day; default: 30 days in all.", _DAY),
            parameter("query", "to", "Last UTC day, included; default: today.", _DAY),
            parameter("query", "group_by", f"One or two of {', '.join(GROUPS)}; default day.", _GROUP_BY),
            parameter("query", "team", "Only of this team; for admins.", _UUID),
            parameter("query", "key_id", "Only of this key.", _UUID),
            parameter("query", "model", "Only with this model.", {"type": "string"}),
            parameter("query", "format", "`csv` for a file.", {"enum": ["json", "csv"]}),
        ],
    )
    answer = described["responses"]["200"]
    answer["headers"] = REQUEST_ID
    answer["content"]["text/csv"] = {"schema": {"type": "string"}}
    return described


_UUID: Described = {"type": "string", "format": "uuid"}
TEAM_ID = parameter(
    "path", "team_id", "Id of the team, or `me`.", {"type": "string", "examples": ["me"]}, required=True
)
KEY_ID = parameter("path", "key_id", "Id of the key.", _UUID, required=True)
_DAY: Described = {"type": "string", "examples": ["2030-01-31"]}
_GROUP_BY: Described = {"type": "string", "examples": ["day", "day,team"]}
_NAME: Described = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_CHARS}
_SCOPES: Described = {"type": "array", "minItems": 1, "items": {"enum": sorted(map(str, ALL_SCOPES))}}
_EXPIRY: Described = {"type": ["string", "null"], "format": "date-time", "description": "null: never."}


def _count(about: str, **more: Any) -> Described:
    return {"type": ["integer", "null"], "minimum": 0, "description": about, **more}


_TEAM: Described = {
    "name": _NAME,
    "max_queued": _count("Tasks that may wait; null: any number."),
    "max_running": _count("Tasks that may run at once; null: any number."),
    "max_priority": {"type": "integer", "minimum": -10, "maximum": 10, "default": 0},
    "weight": {"type": "number", "minimum": 0.001, "maximum": 1000, "default": 1},
    "daily_audio_seconds": _count("Audio in one UTC day; null: any amount."),
    "monthly_audio_seconds": _count("Audio in one UTC month; null: any amount."),
    "allowed_models": {"type": ["array", "null"], "items": {"type": "string"}, "description": "null: all."},
    "audio_retention_days": _count("Days until audio is removed; null: never.", maximum=36500),
    "record_retention_days": _count("Days until records are removed; null: never.", maximum=36500),
    "disabled": {"type": "boolean", "description": "Its keys are refused, its tasks wait."},
}
