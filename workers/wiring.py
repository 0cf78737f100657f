"""Puts a slot into service: its line, and the way of its jobs through child and store."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.domain.ports import ObjectStore
from app.domain.tracing import Tracer
from app.services.fleet import Fleet
from app.services.lifecycle import Lifecycle
from workers.bell import Bell
from workers.compute import Compute
from workers.failpoint import Failpoints
from workers.generate import Generate
from workers.heartbeat import Heartbeat
from workers.inputs import Inputs
from workers.line import Line
from workers.loop import Pauses, SlotLoop
from workers.pace import Pace
from workers.selftest import SelfTest
from workers.settle import Settle
from workers.slot import Slot
from workers.upload import Upload
from workers.watch import Limits, Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all slots of a worker use together."""

    lifecycle: Lifecycle
    heartbeat: Heartbeat
    bell: Bell
    fleet: Fleet
    store: ObjectStore
    inputs: Inputs
    pace: Pace
    tracer: Tracer
    limits: Limits
    pauses: Pauses
    scratch: Path
    failpoints: Failpoints = field(default_factory=lambda: Failpoints({}))


def loop_of(
    slot: Slot,
    shared: Shared,
    *,
    models: Sequence[str],
    on_health: Callable[[], Awaitable[None]],
) -> SlotLoop:
    """Return the loop that claims tasks of these models for the slot; see `SlotLoop`."""
    line, watch = Line(), Watch(shared.limits)
    generate = Generate(
        slot,
        compute=Compute(
            slot,
            line,
            heartbeat=shared.heartbeat,
            inputs=shared.inputs,
            watch=watch,
            pace=shared.pace,
        ),
        upload=Upload(
            lifecycle=shared.lifecycle, store=shared.store, watch=watch, failpoints=shared.failpoints
        ),
        settle=Settle(shared.lifecycle),
        heartbeat=shared.heartbeat,
        scratch=shared.scratch,
        tracer=shared.tracer,
        failpoints=shared.failpoints,
    )
    return SlotLoop(
        slot,
        line,
        lifecycle=shared.lifecycle,
        generate=generate,
        self_test=SelfTest(model=models[0], scratch=shared.scratch),
        bell=shared.bell,
        fleet=shared.fleet,
        models=models,
        on_health=on_health,
        pauses=shared.pauses,
    )
