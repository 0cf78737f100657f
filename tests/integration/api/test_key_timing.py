"""The time of a refusal does not tell how much of a key was right.

KEY_TIMINGS=100000 measures as many refusals and asks for medians within 1 %.
"""

import math
import os
import random
import statistics
import time

import pytest

from app.api.auth import Authenticator
from app.api.config import HttpConfig
from app.db.engine import Database
from app.domain.errors import UnauthorizedError
from app.domain.keys import PREFIX_CHARS, Scope, is_well_formed, make_key
from app.domain.keys import _checksum as checksum
from app.domain.task import TeamId
from app.services.callers import Callers
from app.services.keys import Keys
from tests.integration.services.test_teams import OPERATOR

TIMINGS = int(os.environ.get("KEY_TIMINGS", "600"))
MEDIANS_WITHIN = 0.01 if TIMINGS >= 100_000 else 0.2
PEPPER = b"pepper"


def with_prefix(prefix: str) -> str:
    """A key of the right form that begins like another one."""
    body = prefix + make_key()[len(prefix) : -7]
    return f"{body}_{checksum(body)}"


async def refused_ns(auth: Authenticator, key: str) -> int:
    started = time.perf_counter_ns()
    with pytest.raises(UnauthorizedError):
        await auth.by_header(key, Scope.TASKS_READ)
    return time.perf_counter_ns() - started


async def test_a_right_prefix_is_refused_as_fast_as_a_wrong_one(db: Database, team: TeamId) -> None:
    made = await Keys(db, pepper=PEPPER).create(OPERATOR, team, name="a", scopes=["tasks:read"])
    right = with_prefix(made.text[:PREFIX_CHARS])
    assert is_well_formed(right)
    callers = Callers(db)
    config = HttpConfig(default_team_id=team, key_pepper=PEPPER)
    auth = Authenticator(config, find_key=callers.caller, has_keys=callers.has_keys)
    times: dict[bool, list[int]] = {True: [], False: []}
    for _ in range(TIMINGS // 2):
        # Both are made before, and in the same way: making one warms up what reading it uses.
        keys = {True: with_prefix(made.text[:PREFIX_CHARS]), False: with_prefix(make_key()[:PREFIX_CHARS])}
        for is_right in random.sample([True, False], 2):
            times[is_right].append(await refused_ns(auth, keys[is_right]))

    assert abs(welch_t(times[True], times[False])) < 4.5
    medians = {side: statistics.median(values) for side, values in times.items()}
    assert medians[True] / medians[False] == pytest.approx(1, abs=MEDIANS_WITHIN)


def welch_t(first: list[int], second: list[int]) -> float:
    """Welch's t of two samples; the slowest hundredth of each is the machine's, not ours."""
    kept = [sorted(sample)[: -max(1, len(sample) // 100)] for sample in (first, second)]
    means = [statistics.fmean(sample) for sample in kept]
    spread = sum(statistics.variance(sample) / len(sample) for sample in kept)
    return (means[0] - means[1]) / math.sqrt(spread)
