"""Every route in words of OpenAPI; one file for each group of routes."""

from app.api.operations import admin, seeds, tasks, teams
from app.api.operations.build import ERRORS, Described

__all__ = ["ERRORS", "paths"]


def paths() -> Described:
    """Return every route, as it is found below `/` and below `/api`."""
    return {path: verbs for group in (seeds, tasks, teams, admin) for path, verbs in group.paths().items()}
