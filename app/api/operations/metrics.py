"""Numbers for monitoring."""

from app.api.operations.build import KEY_ERRORS, Described, operation


def paths() -> Described:
    """Return the routes of this file."""
    described = operation(
        "metrics",
        "Read numbers in the text format of Prometheus",
        "For admins, and for addresses in `ACESTEP_METRICS_ALLOW_NETWORKS`.",
        answer={},
        errors=KEY_ERRORS,
    )
    answer = described["responses"]["200"]
    answer["description"] = "Families whose names begin with `acestep_`."
    answer["content"] = {"text/plain": {"schema": {"type": "string"}}}
    return {"/metrics": {"get": described}}
