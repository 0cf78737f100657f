"""What API processes count themselves: in files that they share, where several listen on one port."""

from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

_VERBS: Final = frozenset(("GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"))


class Counted:
    """Answers, and rings that did not reach Redis.

    Args:
        shared_dir: folder in which several processes count together; the library wants its name in the
            environment, too, before it is imported.
    """

    def __init__(self, *, shared_dir: Path | None = None) -> None:
        self._shared_dir = shared_dir
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "acestep_http_requests",
            "Answers by route and status.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "acestep_http_request_seconds",
            "Seconds until an answer began.",
            ("method", "route"),
            registry=self._registry,
        )
        self._rings = Counter(
            "acestep_doorbell_failures",
            "Rings of API processes that did not reach Redis; their tasks start up to a second later.",
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer; `seconds` until it began."""
        verb = method if method in _VERBS else "other"
        template = route.removeprefix("/api") or "/"
        self._requests.labels(verb, template, str(status)).inc()
        self._seconds.labels(verb, template).observe(seconds)

    def ring_failed(self) -> None:
        """Count a ring that did not reach Redis."""
        self._rings.inc()

    def text(self) -> bytes:
        """Return all counts, of all processes that share them."""
        if self._shared_dir is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._shared_dir))  # type: ignore[no-untyped-call]
        return generate_latest(registry)
