"""How long a child may say nothing before it counts as hung: learned on this machine, stage by stage."""

import time
from collections import defaultdict, deque
from collections.abc import Mapping

LEAST_S = 120.0
# A stage that nobody has seen here yet, and the loading of a model, whose time says nothing about the next
# one's: as long as the start of a child may take.
UNKNOWN_S = 600.0
TIMES_EXPECTED = 3.0
_REMEMBERED = 20


class Pace:
    """The longest silences of the jobs that ended well, by model and stage, for one second of audio."""

    def __init__(self, *, least_s: float = LEAST_S, unknown_s: float = UNKNOWN_S) -> None:
        self._least_s = least_s
        self._unknown_s = unknown_s
        self._seen: defaultdict[tuple[str, str], deque[float]] = defaultdict(
            lambda: deque(maxlen=_REMEMBERED)
        )

    def patience_s(self, model: str, stage: str, audio_s: float) -> float:
        """Return how long a job of so many seconds of audio, all clips together, may be silent."""
        seen = self._seen.get((model, stage))
        if stage == "loading" or not seen:
            return self._unknown_s
        return max(self._least_s, TIMES_EXPECTED * max(seen) * audio_s)

    def learn(self, model: str, silences: Mapping[str, float], audio_s: float) -> None:
        """Remember the longest silences in seconds, by stage, of a job that ended well."""
        for stage, silence_s in silences.items():
            self._seen[model, stage].append(silence_s / max(audio_s, 1.0))


class Silence:
    """Listens to the reports of one job in a child."""

    def __init__(self, pace: Pace, *, model: str, audio_s: float) -> None:
        self._pace = pace
        self._model = model
        self._audio_s = audio_s
        self._stage = "loading"
        self._heard_at = time.monotonic()
        self._longest_s: dict[str, float] = {}

    @property
    def patience_s(self) -> float:
        """How long it may last in the stage at hand."""
        return self._pace.patience_s(self._model, self._stage, self._audio_s)

    @property
    def left_s(self) -> float:
        """Seconds until the job counts as hung; negative from then on."""
        return self._heard_at + self.patience_s - time.monotonic()

    def heard(self, stage: str) -> None:
        """Note a report; the silence before it belongs to the stage that was heard of before."""
        now = time.monotonic()
        self._longest_s[self._stage] = max(self._longest_s.get(self._stage, 0.0), now - self._heard_at)
        self._stage, self._heard_at = stage, now

    def learn(self, audio_s: float) -> None:
        """Let later jobs be measured by this one, which ended well with so many seconds of audio."""
        self._pace.learn(self._model, self._longest_s, audio_s)
