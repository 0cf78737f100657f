"""Progress in the words that known clients match."""

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
# Clients take a running task for a failed one when its text holds one of these.
_ALARMING = ("fail", "error")


def progress_text(stage: str, done: int = 0, total: int = 0, *, has_source: bool = False) -> str:
    """Describe where a running task is, such as `dit diffusion: step 4/8`.

    Args:
        stage: one of STAGES; another one reads as the beginning.
        done, total: steps of the stage, only told while diffusing.
        has_source: whether the task works on a client's audio.
    """
    if stage == "diffusing" and total > 0:
        return f"{_WORDS[stage]}: step {done}/{total}"
    if stage in ("loading", "encoding") and has_source:
        return "processing source"
    return _WORDS.get(stage, _WORDS["loading"])


def calm(text: str | None, stage: str) -> str:
    """Return the text of a running task, or the words of its stage if it could be read as a failure."""
    if not text or any(word in text.lower() for word in _ALARMING):
        return progress_text(stage)
    return text
