"""Progress in the words that known clients match."""

import re

STAGES = ("queued", "loading", "lm", "encoding", "diffusing", "decoding", "saving")
"""Stages of a live task, in order."""

_WORDS = {
    "queued": "queued",
    "loading": "initializing",
    "lm": "llm usage: planning",
    "encoding": "loading text_encoder",
    "diffusing": "dit diffusion",
    "decoding": "decoding: tiled_decode",
    "saving": "saving",
}
_STEPS = re.compile(r"step (\d+)/(\d+)")
_HIGHEST_LIVE = 0.99
# Clients take a running task for a failed one when its text holds one of these.
_ALARMING = ("fail", "error")


def progress_text(stage: str, done: int = 0, total: int = 0, *, has_source: bool = False) -> str:
    """Describe where a running task is, such as `dit diffusion: step 4/8`.

    Args:
        stage: one of STAGES; another one reads as the beginning.
        done, total: steps while diffusing, audio codes while planning; else not told.
        has_source: whether the task works on a client's audio.
    """
    if stage == "diffusing" and total > 0:
        return f"{_WORDS[stage]}: step {done}/{total}"
    if stage == "lm" and total > 0:
        return f"{_WORDS[stage]}, {done} of {total} codes"
    if stage in ("loading", "encoding") and has_source:
        return "processing source"
    return _WORDS.get(stage, _WORDS["loading"])


def calm(text: str | None, stage: str) -> str:
    """Return the text of a running task, or the words of its stage if it could be read as a failure."""
    if not text or any(word in text.lower() for word in _ALARMING):
        return progress_text(stage)
    return text


def steps_of(text: str | None) -> tuple[int | None, int | None]:
    """Read step and steps out of a progress text; neither where it tells none."""
    found = _STEPS.search(text or "")
    return (int(found[1]), int(found[2])) if found else (None, None)


def live(stage: str | None, progress: float, text: str | None) -> tuple[str, float, str]:
    """Stage, share done and text of a running task as clients may see them."""
    shown = stage if stage in STAGES and stage != "queued" else "loading"
    return shown, min(max(progress, 0.0), _HIGHEST_LIVE), calm(text, shown)
