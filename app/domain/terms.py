"""Exact things that a task is found by, as text: its seeds, labels, input hashes and parent."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

TEXTS = ("prompt", "lyrics", "sample_query")
"""Parameters whose words are found."""


def seed_term(seed: int) -> str:
    """Return the term of a seed."""
    return f"seed={seed}"


def label_term(name: str, value: str) -> str:
    """Return the term of a label; the length keeps `a=b` + `c` apart from `a` + `b=c`."""
    return f"label {len(name)} {name}={value}"


def hash_term(sha256: str) -> str:
    """Return the term of an input with this content."""
    return f"sha256={sha256}"


def parent_term(parent_id: UUID) -> str:
    """Return the term of tasks made from this one."""
    return f"parent={parent_id}"


def label_terms(labels: Mapping[str, str]) -> list[str]:
    """Return one term for each label."""
    return [label_term(name, value) for name, value in labels.items()]


def terms_of(
    *, seeds: Iterable[int], labels: Mapping[str, str], input_hashes: Iterable[str], parent_id: UUID | None
) -> list[str]:
    """Return all terms of a task, each once."""
    parents = [] if parent_id is None else [parent_term(parent_id)]
    hashes = map(hash_term, input_hashes)
    return list(dict.fromkeys([*map(seed_term, seeds), *label_terms(labels), *hashes, *parents]))


def text_of(params: Mapping[str, Any]) -> str:
    """Return the texts whose words are found, as one."""
    texts: Sequence[str] = [params[name] for name in TEXTS if params.get(name)]
    return "\n".join(texts)
