"""Our own draw inside vLLM, whose requests know nothing of each other: a row and its negative prompt's.

Written for the logits processors of vLLM's Model Runner V2 (0.32, 0.33): they see the logits of all requests
of a step, behind grammars and before vLLM samples. The rows that belong together are left with one and the
same token, whatever vLLM would draw. Checked without vLLM only; until it has been seen in a running engine,
the backend uses it in its tests alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from inference.language_model.backend import LMRequest, Sampling
from inference.language_model.sampling import Draw, combine
from inference.language_model.vocabulary import Vocabulary

ARGUMENT = "acestep"
"""Name of our entry in a request's `extra_args`."""


def group_argument(
    group: str, request: LMRequest, vocabulary: Vocabulary, *, is_negative: bool
) -> dict[str, Any]:
    """Return what one member of a group is told; a group is a row, with guidance also its negative prompt."""
    codes = (vocabulary.first_code, vocabulary.first_code + vocabulary.codes)
    told = {
        "group": group,
        "is_negative": is_negative,
        "size": 2 if request.is_guided else 1,
        "seed": request.seed,
        "columns": codes if request.n_codes is not None else (0, vocabulary.size),
        "sampling": asdict(request.sampling),
    }
    return {ARGUMENT: told}


@dataclass(slots=True)
class _Group:
    """Rows that take the same token, and the tokens they took."""

    size: int
    columns: tuple[int, int]
    scale: float
    draw: Draw
    slots: dict[int, bool] = field(default_factory=dict)
    drawn: list[int] = field(default_factory=list)


class Pairing:
    """The groups of an engine, found by the slots of their requests; later requests use a slot again."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._group_of_slot: dict[int, str] = {}

    def add(self, slot: int, extra_arguments: Mapping[str, Any] | None) -> bool:
        """Note the request that a slot holds from now on; True if it is one of ours."""
        self._leave(slot)
        told = (extra_arguments or {}).get(ARGUMENT)
        if told is None:
            return False
        name = told["group"]
        if name not in self._groups:
            sampling = Sampling(**told["sampling"])
            self._groups[name] = _Group(
                size=told["size"],
                columns=tuple(told["columns"]),
                scale=sampling.cfg_scale,
                draw=Draw(sampling, [told["seed"]]),
            )
        self._groups[name].slots[slot] = told["is_negative"]
        self._group_of_slot[slot] = name
        return True

    def apply(self, logits: Tensor, slots: Sequence[int]) -> Tensor:
        """Leave one token in the rows of each group; other rows stay as they are.

        Args:
            logits: (rows, vocabulary) float32, changed in place.
            slots: the slot of each row.

        Raises:
            RuntimeError: a part of a group is missing in this step, which nothing can mend.
        """
        members: dict[str, dict[bool, int]] = {}
        for row, slot in enumerate(slots):
            if name := self._group_of_slot.get(slot):
                members.setdefault(name, {})[self._groups[name].slots[slot]] = row
        for name, rows in members.items():
            group = self._groups[name]
            if len(rows) != group.size:
                raise RuntimeError("the requests of a guided row are in different steps")
            token = _choose(group, logits, rows)
            for row in rows.values():
                logits[row] = -torch.inf
                logits[row, token] = 0.0
        return logits

    def _leave(self, slot: int) -> None:
        name = self._group_of_slot.pop(slot, None)
        if name is not None:
            del self._groups[name].slots[slot]
            if not self._groups[name].slots:
                del self._groups[name]


def _choose(group: _Group, logits: Tensor, rows: Mapping[bool, int]) -> int:
    """Draw the next token of a group; `rows` by whether it is the negative prompt's."""
    mixed = logits[rows[False]].unsqueeze(0)
    if group.size == 2:
        mixed = combine(mixed, logits[rows[True]].unsqueeze(0), group.scale)
    begin, end = group.columns
    history = torch.tensor([group.drawn], dtype=torch.int64, device=logits.device)
    column = int(group.draw(mixed[:, begin:end].clone(), history))
    group.drawn.append(column)
    return begin + column
