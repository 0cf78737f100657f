"""Spans of one task belong to one trace, in whatever process they are written; and they reach a collector."""

import asyncio
import time
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.db.submissions import NewTask
from app.domain.task import TaskId, TeamId
from app.domain.tracing import NoTracer, current_traceparent, traced
from app.traces import OpenTelemetry, make_tracer
from tests.collector import Collector, a_collector


def a_new_task() -> NewTask:
    return NewTask(
        id=TaskId(UUID(int=1)),
        team_id=TeamId(1),
        api_key_id=None,
        request_id="r",
        model="m",
        request={},
        content_type="application/json",
        params={},
    )


@pytest.fixture
def collector() -> Iterator[Collector]:
    with a_collector() as running:
        yield running


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


async def test_a_worker_joins_the_trace_that_was_stored_with_the_task() -> None:
    exporters = InMemorySpanExporter(), InMemorySpanExporter()
    api = OpenTelemetry(exporters[0], service="api", version="1")
    worker = OpenTelemetry(exporters[1], service="worker", version="1")

    async def submit() -> NewTask:
        return a_new_task()

    stored = await traced(api, "submit", submit)()
    assert stored.traceparent is not None
    assert current_traceparent.get() is None
    now = time.time_ns()
    with worker.span("task", parent=stored.traceparent, attempt=1):
        await asyncio.create_task(asyncio.sleep(0))
        worker.past("diffusing", start_ns=now - 5_000, end_ns=now)
    api.close()
    worker.close()
    spans = by_name(exporters[0]) | by_name(exporters[1])
    assert set(spans) == {"submit", "task", "diffusing"}
    assert len({span.context.trace_id for span in spans.values() if span.context}) == 1
    submitted, task, stage = (spans[name] for name in ("submit", "task", "diffusing"))
    assert task.parent is not None
    assert stage.parent is not None
    assert submitted.context is not None
    assert task.context is not None
    assert (task.parent.span_id, stage.parent.span_id) == (submitted.context.span_id, task.context.span_id)
    assert stage.end_time is not None
    assert stage.start_time is not None
    assert stage.end_time - stage.start_time == 5_000
    assert task.attributes == {"attempt": 1}
    assert stored.traceparent.startswith(f"00-{submitted.context.trace_id:032x}-")


def test_an_error_is_part_of_the_span_and_goes_on() -> None:
    exporter = InMemorySpanExporter()
    tracer = OpenTelemetry(exporter, service="api", version="1")
    with pytest.raises(ValueError, match="broken"), tracer.span("submit"):
        raise ValueError("broken")
    tracer.close()
    assert not by_name(exporter)["submit"].status.is_ok


def test_spans_reach_a_collector(collector: Collector) -> None:
    tracer = make_tracer(f"http://127.0.0.1:{collector.server_port}/", service="acestep-api", version="1")
    with tracer.span("submit"):
        pass
    tracer.close()
    assert [(span.service, span.name) for span in collector.spans] == [("acestep-api", "submit")]


async def test_without_a_collector_nothing_is_traced() -> None:
    tracer = make_tracer("", service="acestep-api", version="1")
    assert isinstance(tracer, NoTracer)

    async def submit() -> NewTask:
        return a_new_task()

    assert (await traced(tracer, "submit", submit)()).traceparent is None


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("app.traces.IS_INSTALLED", False)
    assert isinstance(make_tracer("http://localhost:4318", service="x", version="1"), NoTracer)
    assert "extra `otel` is not installed" in caplog.text
