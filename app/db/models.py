"""All tables. Statements live in their own files; these classes say what is stored and what must hold."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Json, JsonList, Serial
from app.domain.numbers import WAIT_BOUNDS_S

NOW = text("now()")
ZERO = text("0")
RANDOM_ID = text("gen_random_uuid()")
EMPTY_OBJECT = text("'{}'::jsonb")
EMPTY_LIST = text("'[]'::jsonb")
NO_WAITS = text(f"'{{{','.join('0' * (len(WAIT_BOUNDS_S) + 1))}}}'")
# Heartbeats rewrite rows in place: room on the page keeps them HOT, and vacuum must follow closely.
BUSY_TABLE = {"autovacuum_vacuum_scale_factor": "0.02", "autovacuum_vacuum_cost_delay": "0"}


class Team(Base):
    """A tenant; null limits mean no limit."""

    __tablename__ = "teams"
    __table_args__ = (CheckConstraint("weight > 0", name="weight_positive"),)

    id: Mapped[Serial]
    public_id: Mapped[UUID] = mapped_column(unique=True, server_default=RANDOM_ID)
    name: Mapped[str] = mapped_column(unique=True)
    disabled_at: Mapped[datetime | None]
    max_queued: Mapped[int | None]
    max_running: Mapped[int | None]
    max_priority: Mapped[int] = mapped_column(server_default=ZERO)
    weight: Mapped[float] = mapped_column(REAL, server_default=text("1"))
    allowed_models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    daily_audio_seconds: Mapped[int | None]
    monthly_audio_seconds: Mapped[int | None]
    audio_retention_days: Mapped[int | None]
    record_retention_days: Mapped[int | None]
    webhook_secrets: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class TeamState(Base):
    """Counters of a team: the only hot row, so it is narrow and apart.

    `turn_start` and `turn_end` lie on a time line that all teams share, on which a turn lasts 1 / weight: the
    team's next turn begins where its last one ended, but not before the turn that was given last.
    `still_waiting`: more of the team's tasks could have run when it got its last turn.
    `waits`: how long tasks waited until they first started, counted between `WAIT_BOUNDS_S`.
    """

    __tablename__ = "team_state"
    __table_args__ = (
        CheckConstraint("running >= 0", name="running_not_negative"),
        {"postgresql_with": {"fillfactor": "50", **BUSY_TABLE}},
    )

    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), primary_key=True)
    running: Mapped[int] = mapped_column(server_default=ZERO)
    last_served: Mapped[datetime | None]
    turn_start: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)
    turn_end: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)
    still_waiting: Mapped[bool] = mapped_column(server_default=text("false"))
    succeeded: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    failed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cancelled: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    waits: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=NO_WAITS)
    waits_s: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)


class ApiKey(Base):
    """A key of a team, stored as a keyed hash. Never deleted: the audit points to it."""

    __tablename__ = "api_keys"

    id: Mapped[Serial]
    public_id: Mapped[UUID] = mapped_column(unique=True, server_default=RANDOM_ID)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    last4: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    created_by: Mapped[str | None]


class Task(Base):
    """One client request: the row is the job.

    An admin who repeats a task of another team has the key in `admin_idempotency_key`: it is one of the
    admin's own team, and never meets those of the task's team.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status_known"
        ),
        CheckConstraint(
            "(status = 'running') = (worker_id IS NOT NULL AND lease_until IS NOT NULL)",
            name="running_has_lease",
        ),
        CheckConstraint(
            "(status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name="final_has_time",
        ),
        CheckConstraint("status <> 'succeeded' OR result IS NOT NULL", name="succeeded_has_result"),
        CheckConstraint("status <> 'failed' OR error_code IS NOT NULL", name="failed_has_code"),
        CheckConstraint("priority BETWEEN -10 AND 10", name="priority_range"),
        Index(
            "ix_tasks_claim",
            "team_id",
            "lane",
            "queue_rank",
            "seq",
            postgresql_where=text("status = 'queued'"),
        ),
        Index("ix_tasks_queued", "lane", "seq", postgresql_where=text("status = 'queued'")),
        Index("ix_tasks_running", "team_id", postgresql_where=text("status = 'running'")),
        Index(
            "ix_tasks_average",
            text("finished_at DESC"),
            postgresql_where=text(
                "kind = 'generate' AND status IN ('succeeded', 'failed') AND started_at IS NOT NULL"
            ),
        ),
        # The ends that the index of the average leaves out: with it, the last hour is two short ranges.
        Index(
            "ix_tasks_other_ends",
            "finished_at",
            postgresql_where=text(
                "kind = 'generate' AND finished_at IS NOT NULL "
                "AND (status = 'cancelled' OR started_at IS NULL)"
            ),
        ),
        Index(
            "uq_tasks_idempotency",
            "team_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        Index(
            "uq_tasks_admin_idempotency",
            "admin_team_id",
            "admin_idempotency_key",
            unique=True,
            postgresql_where=text("admin_idempotency_key IS NOT NULL"),
        ),
        {"postgresql_with": {"fillfactor": "85", **BUSY_TABLE}},
    )

    seq: Mapped[Serial]
    id: Mapped[UUID] = mapped_column(unique=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id"))
    parent_id: Mapped[UUID | None]
    parent_relation: Mapped[str | None]
    request_id: Mapped[str]
    kind: Mapped[str]
    task_type: Mapped[str | None]
    lane: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    priority: Mapped[int] = mapped_column(SmallInteger, server_default=ZERO)
    requested_model: Mapped[str | None]
    model: Mapped[str]
    batch_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    needs_lm: Mapped[bool] = mapped_column(server_default=text("false"))
    idempotency_key: Mapped[str | None]
    admin_team_id: Mapped[int | None] = mapped_column(BigInteger)
    admin_idempotency_key: Mapped[str | None]
    request_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    legal_hold: Mapped[bool] = mapped_column(server_default=text("false"))
    status: Mapped[str] = mapped_column(server_default=text("'queued'"))
    attempt: Mapped[int] = mapped_column(server_default=ZERO)
    failures: Mapped[int] = mapped_column(server_default=ZERO)
    crashes: Mapped[int] = mapped_column(server_default=ZERO)
    queue_rank: Mapped[datetime] = mapped_column(server_default=NOW)
    run_after: Mapped[datetime] = mapped_column(server_default=NOW)
    worker_id: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    cancel_by: Mapped[str | None]
    progress: Mapped[float] = mapped_column(REAL, server_default=ZERO)
    stage: Mapped[str | None]
    progress_text: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    first_started_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    result: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    gpu_seconds: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    reserved_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)


class TaskParams(Base):
    """What was asked and what runs. Insert-only, so that claim and finish rewrite a short row."""

    __tablename__ = "task_params"

    task_seq: Mapped[int] = mapped_column(BigInteger, ForeignKey("tasks.seq"), primary_key=True)
    request: Mapped[Json]
    content_type: Mapped[str]
    params: Mapped[Json]
    adjustments: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    inputs: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    labels: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)
    client: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    webhook_url: Mapped[str | None]
    submit_position: Mapped[int] = mapped_column(Integer)
    traceparent: Mapped[str | None]


class TaskInput(Base):
    """An object of another task that a task begins with, and that stays while this one may need it.

    No foreign keys: neither row is ever removed before the task of the object is erased, and locks on the
    rows of others would be taken for each.
    """

    __tablename__ = "task_inputs"
    __table_args__ = (Index("ix_task_inputs_task", "task_seq"),)

    object_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    task_seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class TaskEvent(Base):
    """Who did what, when, in which attempt. Append-only: a trigger refuses changes but for an erasure."""

    __tablename__ = "task_events"
    __table_args__ = (
        Index("ix_task_events_task", "task_seq", "id"),
        Index("ix_task_events_lost", "id", postgresql_where=text("event = 'heartbeat_lost'")),
    )

    id: Mapped[Serial]
    task_seq: Mapped[int] = mapped_column(ForeignKey("tasks.seq"))
    # A copy: the foreign key of the task vouches for it, and one lock less is taken per event.
    team_id: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    event: Mapped[str]
    attempt: Mapped[int] = mapped_column(server_default=ZERO)
    actor_kind: Mapped[str]
    actor_id: Mapped[str | None]
    data: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)


class TaskExport(Base):
    """A task in an export: an event of its record, apart from the others so that streams need not pass it."""

    __tablename__ = "task_exports"

    task_seq: Mapped[int] = mapped_column(ForeignKey("tasks.seq"), primary_key=True)
    export_id: Mapped[int] = mapped_column(ForeignKey("audit_log.id"), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor_kind: Mapped[str]
    actor_id: Mapped[str | None]
    form: Mapped[str]


class Object(Base):
    """One stored audio file, input or output. Only the last three columns ever change."""

    __tablename__ = "objects"
    __table_args__ = (
        CheckConstraint("role IN ('input', 'output')", name="role_known"),
        Index("uq_objects_output", "task_seq", "item", unique=True, postgresql_where=text("role = 'output'")),
        Index("ix_objects_expiry", "expires_at", postgresql_where=text("deleted_at IS NULL")),
    )

    id: Mapped[Serial]
    task_seq: Mapped[int | None] = mapped_column(ForeignKey("tasks.seq"))
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    role: Mapped[str]
    attempt: Mapped[int | None]
    item: Mapped[int | None] = mapped_column(SmallInteger)
    public_key: Mapped[str] = mapped_column(unique=True)
    storage_key: Mapped[str] = mapped_column(unique=True)
    ext: Mapped[str]
    mime: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    duration_s: Mapped[float | None] = mapped_column(DOUBLE_PRECISION)
    sample_rate: Mapped[int | None]
    seed: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    delete_reason: Mapped[str | None]


class Worker(Base):
    """One supervisor process, written by itself at every heartbeat."""

    __tablename__ = "workers"
    __table_args__ = (
        CheckConstraint("state IN ('starting', 'ready', 'draining', 'faulty', 'gone')", name="state_known"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    version: Mapped[str]
    state: Mapped[str]
    slots: Mapped[int]
    models: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    loaded: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    device: Mapped[str | None]
    vram_mb: Mapped[int | None]
    started_at: Mapped[datetime] = mapped_column(server_default=NOW)
    seen_at: Mapped[datetime] = mapped_column(server_default=NOW)
    drain_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    doorbell_failures: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)


class WebhookEndpoint(Base):
    """Where a team wants its events."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    url: Mapped[str]
    secrets: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class WebhookDelivery(Base):
    """The outbox: one row per event and target, written with the state change."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        Index(
            "ix_webhook_deliveries_due",
            "next_at",
            postgresql_where=text("delivered_at IS NULL AND dead_at IS NULL"),
        ),
        Index("ix_webhook_deliveries_list", "endpoint_id", text("created_at DESC"), text("id DESC")),
        Index("ix_webhook_deliveries_team", "team_id", text("created_at DESC"), text("id DESC")),
        Index(
            "ix_webhook_deliveries_dead",
            "team_id",
            text("created_at DESC"),
            text("id DESC"),
            postgresql_where=text("dead_at IS NOT NULL"),
        ),
        Index("ix_webhook_deliveries_age", "created_at", postgresql_using="brin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    # No foreign key: an endpoint that is deleted at this moment must not make the state change fail.
    endpoint_id: Mapped[UUID | None]
    url: Mapped[str]
    task_seq: Mapped[int] = mapped_column(ForeignKey("tasks.seq"))
    event: Mapped[str]
    body: Mapped[Json]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    next_at: Mapped[datetime] = mapped_column(server_default=NOW)
    tries: Mapped[int] = mapped_column(server_default=ZERO)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None]
    attempts: Mapped[JsonList] = mapped_column(server_default=EMPTY_LIST)
    delivered_at: Mapped[datetime | None]
    dead_at: Mapped[datetime | None]


class UsageDaily(Base):
    """What a key of a team executed on one UTC day with one model; failed attempts count too.

    `ran` counts the tasks that ended while they ran; `run_seconds` of their last attempts and `wait_seconds`
    up to their first start are sums over these.
    """

    __tablename__ = "usage_daily"
    __table_args__ = (
        UniqueConstraint("team_id", "api_key_id", "model", "day", postgresql_nulls_not_distinct=True),
        Index("ix_usage_daily_day", "team_id", "day"),
        Index("ix_usage_daily_of_all", "day"),
    )

    id: Mapped[Serial]
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
    api_key_id: Mapped[int | None] = mapped_column(ForeignKey("api_keys.id"))
    model: Mapped[str]
    day: Mapped[date]
    succeeded: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    failed: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    cancelled: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    gpu_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)
    audio_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)
    stored_bytes: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    ran: Mapped[int] = mapped_column(BigInteger, server_default=ZERO)
    run_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)
    wait_seconds: Mapped[float] = mapped_column(DOUBLE_PRECISION, server_default=ZERO)


class AuditLog(Base):
    """Changes of keys, teams and settings: who, what, when."""

    __tablename__ = "audit_log"

    id: Mapped[Serial]
    at: Mapped[datetime] = mapped_column(server_default=NOW)
    actor: Mapped[str]
    action: Mapped[str]
    object: Mapped[str]
    change: Mapped[Json] = mapped_column(server_default=EMPTY_OBJECT)


class Setting(Base):
    """Switches read with the claim, such as `queue_paused`."""

    __tablename__ = "settings"

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[Json] = mapped_column(JSONB)
