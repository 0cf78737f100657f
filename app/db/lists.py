"""Lists of tasks: pages whose cost does not grow with the history, and whole lists for an export."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.list_statement import Shape, count_statement, page_statement, whole_statement
from app.db.search_models import ENDED
from app.db.views import CLIPS
from app.domain.errors import ValidationError
from app.domain.filters import Filters
from app.domain.listed import ListedTask, listed
from app.domain.task import ClipView, TaskId, TeamId
from app.domain.terms import hash_term, label_terms, parent_term, seed_term

FETCHED_AT_ONCE = 100

# Looking m of n tasks up costs m times something; walking back in time until a page of them is found, n / m
# times something more: beyond m * m = 60 * n, as measured, the walk is cheaper. How many tasks have the
# rarest of the words, the last look at the table says; of words that few have it says nothing.
_ARE_COMMON = """
(SELECT power(min(coalesce(common.frequency, 0)), 2) * min(size.reltuples) > 60
 FROM (SELECT (SELECT min(team_id) FROM g) || ':' || lexeme AS word
       FROM unnest(to_tsvector('simple', CAST(:q AS text)))) asked
 CROSS JOIN (SELECT reltuples FROM pg_class WHERE oid = CAST('task_words' AS regclass)) size
 LEFT JOIN (
    SELECT * FROM pg_stats, unnest(CAST(CAST(most_common_elems AS text) AS text[]), most_common_elem_freqs)
        AS frequent(word, frequency)
    WHERE schemaname = current_schema AND tablename = 'task_words' AND attname = 'words'
      AND CAST(:q AS text) IS NOT NULL) common ON common.word = asked.word)"""

# Plans are made for the values: one for a common state is wrong for a rare one. A key of another team is not
# even looked up, so that it is like none.
_FIND = text(f"""
WITH g AS MATERIALIZED (
    SELECT id AS team_id FROM teams
    WHERE (CAST(:team_id AS bigint) IS NULL OR id = CAST(:team_id AS bigint))
      AND (CAST(:team AS uuid) IS NULL OR public_id = CAST(:team AS uuid))
)
SELECT set_config('plan_cache_mode', 'force_custom_plan', true),
       ARRAY(SELECT team_id FROM g) AS team_ids, last.created_at AS last_created_at, last.seq AS last_seq,
       (SELECT k.id FROM api_keys k
        WHERE k.public_id = CAST(:key_id AS uuid)
          AND (CAST(:team_id AS bigint) IS NULL OR k.team_id = CAST(:team_id AS bigint))) AS api_key_id,
       ARRAY(SELECT lexeme FROM unnest(to_tsvector('simple', CAST(:q AS text)))) AS words,
       {_ARE_COMMON} AS are_common,
       CAST(:finished_after AS timestamptz) - coalesce((
           SELECT max(longest) FROM g CROSS JOIN LATERAL (
               SELECT t.finished_at - t.created_at AS longest FROM tasks t
               WHERE t.team_id = g.team_id AND {ENDED} AND CAST(:finished_after AS timestamptz) IS NOT NULL
               ORDER BY t.finished_at - t.created_at DESC LIMIT 1) found), interval '0') AS earliest
FROM (SELECT) one LEFT JOIN tasks last ON last.id = CAST(:last AS uuid)
""")  # noqa: S608 - parts of this file only

_ITEMS = text(f"""
SELECT t.seq, t.id, t.status, t.created_at, t.started_at, t.finished_at, t.task_type, t.model,
       left(p.params->>'prompt', 200) AS prompt, p.params->'audio_duration' AS audio_duration,
       p.params->'batch_size' AS batch_size, p.params->'seeds' AS seeds, k.prefix AS key_prefix,
       g.public_id AS public_team_id, t.priority, p.labels, t.error_code, {CLIPS} AS clips
FROM tasks t
JOIN teams g ON g.id = t.team_id
LEFT JOIN api_keys k
    ON k.id = t.api_key_id AND (k.team_id = t.team_id OR CAST(:team_id AS bigint) IS NULL)
LEFT JOIN task_params p ON p.task_seq = t.seq
WHERE t.seq = ANY(CAST(:seqs AS bigint[]))
""")  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A list that can be read: how its statement is made, and the values in it."""

    shape: Shape
    values: Mapping[str, Any]


class Lists:
    """Statements on lists; ask within one snapshot. Team None stands for an admin, who sees all teams."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(
        self,
        team_id: TeamId | None,
        filters: Filters,
        *,
        newest_first: bool,
        last: TaskId | None = None,
    ) -> Found | None:
        """Look up what the filters name; None if no task can have it.

        Args:
            last: the list goes on after this task.

        Raises:
            ValidationError: there is no word in `q`.
        """
        asked = _asked(filters) | {"team_id": team_id, "last": last}
        row = (await self._connection.execute(_FIND, asked)).one()
        if filters.q is not None and not row.words:
            raise ValidationError("q needs at least one word")
        if not row.team_ids or (filters.key_id is not None and row.api_key_id is None):
            return None
        terms = _terms(filters)
        is_of_many = len(row.team_ids) > 1
        shape = Shape(
            filters=filters,
            terms=len(terms),
            is_of_many_teams=is_of_many,
            has_rare_words=filters.q is not None and (is_of_many or not row.are_common),
            newest_first=newest_first,
            is_continued=last is not None,
            # A tombstone is how an admin finds out what a file was.
            with_erased=team_id is None and filters.sha256 is not None,
        )
        values = {
            **asked,
            **row._mapping,
            "state": list(filters.state),
            "team_id": row.team_ids[0],
            "words": row.words if is_of_many else [f"{row.team_ids[0]}:{word}" for word in row.words],
            **{f"term_{number}": term for number, term in enumerate(terms)},
        }
        return Found(shape=shape, values=values)

    async def page(self, found: Found, *, most: int) -> list[int]:
        """The first tasks of the list, by their `seq`."""
        return list(
            await self._connection.scalars(page_statement(found.shape), {**found.values, "most": most})
        )

    async def count(self, found: Found, *, most: int) -> int:
        """How many tasks the list has; of more than `most`, only that many are counted."""
        values = {**found.values, "most": most}
        count: int = (await self._connection.execute(count_statement(found.shape), values)).scalar_one()
        return count

    async def all(self, found: Found) -> AsyncIterator[Sequence[int]]:
        """The whole list in portions, from a cursor of the server."""
        async with self._connection.stream(whole_statement(found.shape), found.values) as rows:
            async for portion in rows.scalars().partitions(FETCHED_AT_ONCE):
                yield portion

    async def items(self, team_id: TeamId | None, seqs: Sequence[int]) -> list[ListedTask]:
        """What a list shows of these tasks, in this order."""
        rows = await self._connection.execute(_ITEMS, {"team_id": team_id, "seqs": list(seqs)})
        items = {row.seq: _item(dict(row._mapping)) for row in rows}
        return [items[seq] for seq in seqs]


def _asked(filters: Filters) -> dict[str, Any]:
    return msgspec.structs.asdict(filters) | {"hash_term": hash_term(filters.sha256 or "")}


def _terms(filters: Filters) -> list[str]:
    seeds = [] if filters.seed is None else [seed_term(filters.seed)]
    parents = [] if filters.parent_id is None else [parent_term(filters.parent_id)]
    return [*seeds, *parents, *label_terms(dict(filters.labels))]


def _item(row: Mapping[str, Any]) -> ListedTask:
    values = {name: row[name] for name in row if name not in ("seq", "clips")}
    return listed(**values, clips=msgspec.convert(row["clips"] or [], list[ClipView]))
