"""The waiting tasks as a whole: the gate under which they are counted, and the places of tasks and teams."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.turns import NEXT_TURN, PRESENT
from app.domain.room import COUNTED, Room, Use
from app.domain.task import TeamId
from app.domain.teams import TeamLimits

# Transaction-scoped lock under which waiting tasks are counted and one more is inserted.
GATE_KEY = 0x0ACE57E0

_LOCK_GATE = text("SELECT pg_advisory_xact_lock(:key)")

# With an order, so that the planner reads an index: a limit alone can make it read the table.
_OF_TEAM = "q.status = 'queued' AND q.lane = 1 AND q.team_id"
_IN_ORDER = "ORDER BY q.lane, q.queue_rank, q.seq"

# The line of each team: how many wait, and when its next turn begins.
_LINES = f"""{PRESENT}, lines AS MATERIALIZED (
    SELECT s.team_id, CAST(t.weight AS float8) AS weight, {NEXT_TURN} AS next_turn,
           coalesce(s.last_served, '-infinity') AS last_served, t.disabled_at IS NULL AS is_served,
           (SELECT count(*) FROM (SELECT FROM tasks q WHERE {_OF_TEAM} = s.team_id
                                  {_IN_ORDER} LIMIT {COUNTED}) first) AS waiting
    FROM team_state s JOIN teams t ON t.id = s.team_id
)"""  # noqa: S608 - parts of this file and of `turns.py` only

# How many turns other teams have before the turn of a task at `me.place` in the line of `own`. Of turns that
# begin together the first is that of the team served longer ago.
_TURNS_BEFORE = """
SELECT coalesce(sum(least(o.waiting, greatest(0, ceil(x.turns - 1e-6) + CASE
           WHEN abs(x.turns - round(x.turns)) < 1e-6
                AND (round(x.turns), o.last_served, o.team_id)
                    < (me.place - 1, own.last_served, own.team_id)
           THEN 1 ELSE 0 END))), 0)
FROM lines o CROSS JOIN LATERAL
     (SELECT (own.next_turn + (me.place - 1) / own.weight - o.next_turn) * o.weight AS turns) x
WHERE o.team_id <> own.team_id AND o.waiting > 0 AND o.is_served
"""


def positions(which: str) -> str:
    """Write the query for `id` and `position` of waiting tasks, 1-based in the order of fair turns.

    An estimate: tasks that come later, and limits of running tasks, can change the order.

    Args:
        which: condition on `me.id`.
    """
    return f"""
WITH {_LINES}, asked AS MATERIALIZED (
    SELECT me.id, me.team_id FROM tasks me WHERE {which} AND me.status = 'queued' AND me.lane = 1
), waiting AS MATERIALIZED (
    SELECT first.id, row_number() OVER (PARTITION BY team.team_id
                                        ORDER BY first.queue_rank, first.seq) AS place
    FROM (SELECT DISTINCT team_id FROM asked) team CROSS JOIN LATERAL (
        SELECT q.id, q.queue_rank, q.seq FROM tasks q WHERE {_OF_TEAM} = team.team_id
        {_IN_ORDER} LIMIT {COUNTED}) first
)
SELECT me.id, CAST(me.place + ({_TURNS_BEFORE}) AS bigint) AS position
FROM (SELECT asked.*, coalesce(waiting.place, {COUNTED} + 1) AS place
      FROM asked LEFT JOIN waiting ON waiting.id = asked.id) me
JOIN lines own ON own.team_id = me.team_id
"""  # noqa: S608


# Sums of audio only where a limit asks for them.
_HAS_QUOTA = "(t.daily_audio_seconds IS NOT NULL OR t.monthly_audio_seconds IS NOT NULL)"
_TODAY = "CAST(now() AT TIME ZONE 'UTC' AS date)"
_LIMITS = tuple(TeamLimits.__dataclass_fields__)


def _left_s(period: str) -> str:
    return (
        f"extract(epoch FROM date_trunc('{period}', now() AT TIME ZONE 'UTC') + interval '1 {period}' "
        "- (now() AT TIME ZONE 'UTC'))"
    )


def _reserved(status: str) -> str:
    # One state at a time: each has an index of its own.
    return f"""
            (SELECT coalesce(sum(r.reserved_seconds), 0) FROM tasks r
             WHERE r.team_id = t.id AND r.status = '{status}')"""  # noqa: S608


def _produced_since(day: str) -> str:
    return f"""
       CASE WHEN {_HAS_QUOTA} THEN
            (SELECT coalesce(sum(u.audio_seconds), 0) FROM usage_daily u
             WHERE u.team_id = t.id AND u.day >= {day}) ELSE 0 END"""  # noqa: S608


_ROOM = text(f"""
WITH {_LINES}, mine AS (
    SELECT t.id, (SELECT count(*) FROM (
                      SELECT FROM tasks q WHERE {_OF_TEAM} = t.id
                      AND q.queue_rank <= clock_timestamp() - make_interval(
                          secs => CAST(:ageing_s AS float8) * least(CAST(:priority AS int), t.max_priority))
                      {_IN_ORDER} LIMIT {COUNTED}) before) + 1 AS place
    FROM teams t WHERE t.id = :team_id
)
SELECT (SELECT count(*) FROM (SELECT FROM tasks q WHERE q.status = 'queued' AND q.lane = 1
                              ORDER BY q.lane, q.seq LIMIT CAST(:most AS bigint)) first) AS waiting,
       (SELECT count(*) FROM (SELECT FROM tasks q WHERE {_OF_TEAM} = t.id {_IN_ORDER}
                              LIMIT coalesce(t.max_queued, {COUNTED})) first) AS of_team,
       ARRAY(SELECT CAST(me.place + ({_TURNS_BEFORE}) AS bigint)
             FROM (SELECT mine.place + more AS place
                   FROM generate_series(0, CAST(:places AS int) - 1) more ORDER BY more) me) AS positions,
       t.disabled_at IS NOT NULL AS is_disabled, {", ".join(f"t.{name}" for name in _LIMITS)},
       CASE WHEN {_HAS_QUOTA} THEN {_reserved("queued")} + {_reserved("running")} ELSE 0 END AS reserved_s,
       {_produced_since(_TODAY)} AS produced_today_s,
       {_produced_since(f"CAST(date_trunc('month', {_TODAY}) AS date)")} AS produced_month_s,
       {_left_s("day")} AS day_left_s, {_left_s("month")} AS month_left_s
FROM mine JOIN teams t ON t.id = mine.id JOIN lines own ON own.team_id = mine.id
""")  # noqa: S608


class Queue:
    """Statements on the waiting tasks of all teams."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def lock_gate(self) -> None:
        """Wait until no other submission is between counting and committing.

        The lock comes first and the count in a new statement: one combined statement would count with a
        snapshot older than the lock.
        """
        await self._connection.execute(_LOCK_GATE, {"key": GATE_KEY})

    async def room(
        self,
        team_id: TeamId,
        *,
        most: int | None = None,
        priority: int = 0,
        ageing_s: float = 0.0,
        places: int = 1,
    ) -> Room:
        """What waits, what the team may use, and the places that new tasks of it would get.

        Args:
            most: waiting tasks are counted up to here.
            places: how many new tasks of this priority come one after the other.
        """
        values = {
            "team_id": team_id,
            "most": COUNTED if most is None else most,
            "priority": priority,
            "ageing_s": ageing_s,
            "places": places,
        }
        row = (await self._connection.execute(_ROOM, values)).one()
        return Room(
            waiting=row.waiting,
            of_team=row.of_team,
            positions=tuple(row.positions),
            is_disabled=row.is_disabled,
            limits=TeamLimits(**{name: getattr(row, name) for name in _LIMITS}),
            today=Use(
                produced_s=row.produced_today_s, reserved_s=row.reserved_s, left_s=float(row.day_left_s)
            ),
            month=Use(
                produced_s=row.produced_month_s, reserved_s=row.reserved_s, left_s=float(row.month_left_s)
            ),
        )
