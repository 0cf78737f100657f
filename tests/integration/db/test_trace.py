"""The trace context and the request id of a submission reach the worker that claims the task."""

from app.db.engine import Database
from app.domain.task import TeamId
from app.domain.tracing import current_traceparent
from tests.builders import a_task, claim

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_what_was_stored_comes_out_at_the_claim(db: Database, team: TeamId) -> None:
    token = current_traceparent.set(TRACEPARENT)
    await a_task(db, team)
    current_traceparent.reset(token)
    await a_task(db, team)
    (traced,), (untraced,) = await claim(db), await claim(db)
    assert (traced.traceparent, untraced.traceparent) == (TRACEPARENT, None)
    assert traced.request_id == "test"
