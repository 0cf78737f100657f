"""Every route in words of OpenAPI; one file for each group of routes."""

from app.api.operations import admin, history, metrics, seeds, streams, tasks, teams, webhooks
from app.api.operations.build import ERRORS, Described

__all__ = ["ERRORS", "paths"]


def paths() -> Described:
    """Return every route, as it is found below `/` and below `/api`."""
    groups = (seeds, tasks, history, streams, teams, webhooks, admin, metrics)
    return {path: verbs for group in groups for path, verbs in group.paths().items()}
