"""The language model's part of a music job; what the user gave wins in every step."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from inference.errors import Cancelled, DeviceError, EngineError
from inference.language import LanguageOptions, LanguageRecord, Planning, Song
from inference.language_model.backend import OnTokens, ShouldCancel
from inference.language_model.block import DURATION_RANGE_S, FIELDS, Block
from inference.language_model.modes import METADATA, missing, modes_of
from inference.language_model.own import own_values
from inference.language_model.prompts import INSTRUMENTAL, plain
from inference.language_model.query import is_instrumental, language_in
from inference.language_model.steps import CODES_PER_SECOND, Steps
from inference.request import GenerationRequest, ItemSpec, OnProgress

DEFAULT_DURATION_S = 60.0
"""Length of a song when nobody knows one."""

OpenSteps = Callable[[LanguageOptions, OnTokens, ShouldCancel], Steps]
"""Makes the language model ready; raises LMNotAvailable and what loading raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What the diffusion model is to do, and how that came about.

    Attributes:
        song: texts and metadata to show; its caption is the one before the plan rewrote it.
    """

    request: GenerationRequest
    song: Song
    record: LanguageRecord


def plan(
    request: GenerationRequest,
    open_steps: OpenSteps,
    on_progress: OnProgress,
    should_cancel: ShouldCancel,
    *,
    max_duration_s: int = DURATION_RANGE_S[1],
) -> Planned:
    """Do what the language model is asked to do for a job; all items of one have the same texts and metadata.

    Raises:
        LMNotAvailable, LMOutputInvalid, OutOfMemory, ModelLoadError: in a step that the job needs; where the
            language model would only complete the job, it goes on without.
        Cancelled, DeviceError: in any step.
    """
    on_codes = partial(on_progress, "lm")
    job = _Job(request, lambda options: open_steps(options, on_codes, should_cancel), max_duration_s)
    if request.planning is not None:
        job.run(request.planning)
    return job.planned()


class _Job:
    """One job on its way through the steps."""

    def __init__(
        self, request: GenerationRequest, open_steps: Callable[[LanguageOptions], Steps], max_duration_s: int
    ) -> None:
        self._request = request
        self._first = request.items[0]
        self._open_steps = open_steps
        self._steps: Steps | None = None
        self._own = own_values(_given(request), max_duration_s=max_duration_s)
        self._caption, self._lyrics = self._first.prompt, self._first.lyrics
        self._written = Block()
        self._written_lyrics = ""
        self._codes: tuple[tuple[int, ...], ...] = ()
        self._notes: list[str] = []

    def run(self, planning: Planning) -> None:
        """Go through the steps that the request wants."""
        modes = modes_of(
            planning,
            task_type=self._request.task_type,
            has_text=any(
                plain(text).strip() not in ("", INSTRUMENTAL) for text in (self._caption, self._lyrics)
            ),
            has_codes=self._first.audio_codes is not None,
        )
        self._notes += modes.notes
        if modes.write == "sample":
            self._sample(planning)
        if modes.write == "format":
            self._format(planning)
        if modes.may_complete:
            self._complete(planning, is_required=modes.is_required)
        if modes.codes:
            self._plan_codes(planning)

    def planned(self) -> Planned:
        """Put together what the user gave, what the language model wrote, and the defaults."""
        own, written = self._own.song, self._written
        song = Song(
            caption=self._caption,
            lyrics=self._lyrics,
            bpm=own.bpm or written.bpm,
            keyscale=own.keyscale or written.keyscale,
            timesignature=own.timesignature or written.timesignature,
            duration=own.duration or written.duration,
            language=own.language or written.language or self._first.vocal_language,
            genres=written.genres,
        )
        request = replace(self._request, duration=self._duration(song))
        if self._request.planning is not None:
            items = tuple(self._item(place, item, song) for place, item in enumerate(request.items))
            request = replace(request, items=items)
        return Planned(request=request, song=song, record=self._record())

    def _sample(self, planning: Planning) -> None:
        query = planning.sample_query
        named = language_in(query)
        forced = ({"language": named} if named else {}) | self._own.forced
        steps = self._ready(planning)
        self._written, lyrics = steps.sample(query, forced, instrumental=is_instrumental(query))
        self._caption = self._written.caption or query
        self._lyrics = self._written_lyrics = lyrics or INSTRUMENTAL

    def _format(self, planning: Planning) -> None:
        steps = self._ready(planning)
        self._written, self._written_lyrics = steps.format(self._caption, self._lyrics, self._own.forced)
        self._caption = self._written.caption or self._caption
        self._lyrics = self._written_lyrics or self._lyrics

    def _complete(self, planning: Planning, *, is_required: bool) -> None:
        """Have what is missing filled in, and the caption rewritten where that may be."""
        known = {name for name in FIELDS if getattr(self._own.song, name)} | self._written.values().keys()
        wanted = missing(planning, known=known, rewritten=self._written.values())
        if not wanted:
            return
        may_have = {"caption": "caption" in wanted, "language": planning.use_cot_language}
        fields = [name for name in FIELDS if name in METADATA or may_have.get(name)]
        values = self._written.values() | self._own.forced
        forced = {name: values[name] for name in fields if name in values and name != "caption"}
        try:
            block = self._ready(planning).metadata(self._caption, self._lyrics, fields, forced)
        except (Cancelled, DeviceError):
            raise
        except EngineError as error:
            if is_required:
                raise
            self._notes.append(f"went on without the language model: {error}")
        else:
            self._written = self._written.completed(block)

    def _plan_codes(self, planning: Planning) -> None:
        block = self._written.values() | self._own.forced
        if not planning.use_cot_caption:
            block.pop("caption", None)
        self._codes = self._ready(planning).codes(
            self._caption,
            self._lyrics,
            block,
            duration_s=self._own.song.duration or self._written.duration or DEFAULT_DURATION_S,
            seeds=[item.seed for item in self._request.items],
            batch=planning.batch,
        )

    def _ready(self, planning: Planning) -> Steps:
        if self._steps is None:
            self._steps = self._open_steps(planning.options)
            self._notes += self._own.notes
        return self._steps

    def _item(self, place: int, item: ItemSpec, song: Song) -> ItemSpec:
        return replace(
            item,
            prompt=self._written.caption or self._caption,
            lyrics=song.lyrics,
            vocal_language=song.language,
            bpm=song.bpm,
            keyscale=song.keyscale,
            timesignature=song.timesignature,
            audio_codes=self._codes[place] if self._codes else item.audio_codes,
        )

    def _duration(self, song: Song) -> float | None:
        """A source or given audio codes have a length of their own."""
        if self._request.duration is not None:
            return self._request.duration
        if self._request.source is not None or self._first.audio_codes is not None:
            return None
        return song.duration or DEFAULT_DURATION_S

    def _record(self) -> LanguageRecord:
        if self._request.planning is None:
            return LanguageRecord()
        options = self._request.planning.options
        if self._steps is None:
            return LanguageRecord(backend_requested=options.backend, notes=tuple(self._notes))
        phases = tuple(self._steps.phases)
        return LanguageRecord(
            backend_requested=options.backend,
            backend_used=phases[-1].backend if phases else "",
            fallback=self._steps.fallback,
            parameters=asdict(options),
            phases=phases,
            written=self._written.as_song(self._written_lyrics),
            codes=self._codes,
            notes=(*self._notes, *self._steps.notes),
        )


def _given(request: GenerationRequest) -> Song:
    """Return the metadata that the user gave; audio codes have a length, which is one too."""
    first = request.items[0]
    has_language = request.planning is not None and request.planning.language_is_explicit
    codes_s = None if first.audio_codes is None else len(first.audio_codes) / CODES_PER_SECOND
    return Song(
        bpm=first.bpm,
        keyscale=first.keyscale,
        timesignature=first.timesignature,
        duration=request.duration if codes_s is None else codes_s,
        language=first.vocal_language if has_language else "",
    )
