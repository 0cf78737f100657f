"""From stages of the engine to the number and the words that a poller sees."""

from app.domain.progress import progress_text

# Share of a typical job that each stage takes; the number only has to rise and to feel right.
_WEIGHTS = {"loading": 2.0, "lm": 20.0, "encoding": 4.0, "diffusing": 60.0, "decoding": 10.0, "saving": 4.0}
GPU_STAGES = ("lm", "encoding", "diffusing", "decoding")
LAST_GPU_STAGE = "decoding"
_LOWEST, _HIGHEST = 0.01, 0.99


class Progress:
    """Progress of one attempt; it never goes back, whatever order stages are reported in."""

    def __init__(self, *, has_source: bool = False) -> None:
        """Begin at the first stage; `has_source` = the task works on a client's audio."""
        self._has_source = has_source
        self.stage = "loading"
        self.text = progress_text("loading", has_source=has_source)
        self.value = _LOWEST
        self._stages_seen = {"loading"}

    def report(self, stage: str, done: int, total: int) -> bool:
        """Take in a report of the engine; returns whether a stage was entered for the first time."""
        entered = stage not in self._stages_seen
        self._stages_seen.add(stage)
        share = min(max(done / total, 0.0), 1.0) if total > 0 else 0.0
        before = 0.0
        for name, weight in _WEIGHTS.items():
            if name == stage:
                before += weight * share
                break
            before += weight
        value = _LOWEST + (_HIGHEST - _LOWEST) * before / sum(_WEIGHTS.values())
        self.value = max(self.value, value)
        self.stage = stage
        self.text = progress_text(stage, done, total, has_source=self._has_source)
        return entered
