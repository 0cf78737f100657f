"""GET /metrics: numbers in the text format of Prometheus.

What the database knows is read at every scrape, so that all API processes tell the same.
"""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from itertools import accumulate
from typing import Final

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.api.context import HttpRequest, context_of
from app.domain.addresses import is_in
from app.domain.errors import DatabaseUnavailableError
from app.domain.keys import Scope
from app.domain.numbers import WAIT_BOUNDS_S, Numbers

_QUANTILES: Final = ("0.5", "0.95")


@get("/metrics")
async def metrics(request: HttpRequest) -> Response[bytes]:
    """Send all numbers to an admin, or to an address that the operator allows."""
    context = context_of(request)
    if not _is_allowed_address(request):
        await context.auth.by_header(request.headers.get("authorization"), Scope.ADMIN)
    try:
        stored: Iterable[Metric] = _families(await context.services.metrics())
    except DatabaseUnavailableError:
        stored = [_is_up(False)]
    registry = CollectorRegistry()
    registry.register(_Stored(stored))
    content = generate_latest(registry) + context.counted.text()
    return Response(content, headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Stored(Collector):
    """Gives the library families that were read beforehand: it asks without waiting."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _is_allowed_address(request: HttpRequest) -> bool:
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    return is_in(address, context_of(request).config.metrics_networks)


def _families(numbers: Numbers) -> Iterator[Metric]:
    yield _is_up(True)
    waiting = GaugeMetricFamily("acestep_queue_tasks", "Waiting tasks.", labels=["team"])
    oldest = GaugeMetricFamily("acestep_queue_oldest_seconds", "Age of the oldest one.", labels=["team"])
    running = GaugeMetricFamily("acestep_tasks_running", "Running tasks.", labels=["team"])
    ended = CounterMetricFamily("acestep_tasks_ended", "Tasks that ended.", labels=["team", "outcome"])
    for team in numbers.teams:
        waiting.add_metric([team.name], team.waiting)
        oldest.add_metric([team.name], team.oldest_s)
        running.add_metric([team.name], team.running)
        for outcome in ("succeeded", "failed", "cancelled"):
            ended.add_metric([team.name, outcome], getattr(team, outcome))
    yield from (waiting, oldest, running, ended, _waits(numbers))
    stages = GaugeMetricFamily(
        "acestep_recent_stage_seconds",
        "Seconds of a stage over the latest tasks, as many as ACESTEP_AVG_WINDOW says.",
        labels=["stage", "quantile"],
    )
    for stage, seconds in numbers.stages.items():
        for quantile, value in zip(_QUANTILES, seconds, strict=True):
            stages.add_metric([stage, quantile], value)
    yield stages
    yield CounterMetricFamily(
        "acestep_leases_lost", "Attempts that lost their lease: their worker died.", value=numbers.leases_lost
    )
    yield from _of_workers(numbers)
    yield GaugeMetricFamily(
        "acestep_webhooks_waiting", "Webhooks still to be delivered.", value=numbers.deliveries_waiting
    )
    yield GaugeMetricFamily(
        "acestep_webhooks_oldest_seconds", "Age of the oldest one.", value=numbers.deliveries_oldest_s
    )


def _waits(numbers: Numbers) -> Metric:
    about = "Seconds from the submission of a task to its first start."
    family = HistogramMetricFamily("acestep_queue_wait_seconds", about, labels=["team"])
    bounds = [*(str(float(bound)) for bound in WAIT_BOUNDS_S), "+Inf"]
    for team in numbers.teams:
        counts = [float(count) for count in accumulate(team.waits)]
        family.add_metric([team.name], list(zip(bounds, counts, strict=True)), team.waits_s)
    return family


def _of_workers(numbers: Numbers) -> Iterator[Metric]:
    slots = GaugeMetricFamily("acestep_worker_slots", "Slots of live workers.", labels=["worker", "state"])
    rings = CounterMetricFamily(
        "acestep_worker_doorbell_failures",
        "Rings of a worker that did not reach Redis.",
        labels=["worker"],
    )
    for worker in numbers.workers:
        slots.add_metric([str(worker.id), worker.state], worker.slots)
        rings.add_metric([str(worker.id)], worker.doorbell_failures)
    yield from (slots, rings)


def _is_up(up: bool) -> Metric:
    about = "Whether the database answers; without it the numbers of the whole service are missing."
    return GaugeMetricFamily("acestep_database_up", about, value=float(up))
