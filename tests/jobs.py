"""Jobs of a worker for tests that need no database."""

from uuid import uuid4

from app.db.tasks import ClaimedTask
from app.domain.task import TaskId, TeamId
from workers.job import RunningJob


def a_job(*, crashes: int = 0) -> RunningJob:
    return RunningJob(
        ClaimedTask(
            id=TaskId(uuid4()),
            team_id=TeamId(1),
            attempt=1,
            crashes=crashes,
            kind="generate",
            task_type="text2music",
            model="m",
            params={},
            inputs=[],
        )
    )
