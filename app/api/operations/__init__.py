"""Every route in words of OpenAPI; one file for each group of routes."""

from app.api.operations import history, metrics, seeds, streams, tasks, webhooks
from app.api.operations.build import ERRORS, Described

__all__ = ["ERRORS", "paths"]


def paths() -> Described:
    """Return every route, as it is found below `/` and below `/api`."""
    groups = (seeds, tasks, history, streams, webhooks, metrics)
    return {path: verbs for group in groups for path, verbs in group.paths().items()}
