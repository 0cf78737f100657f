"""A text to improve, outside of any music job."""

import time
from dataclasses import asdict, replace

from inference.language import LanguageRecord, PromptRequest, PromptResult
from inference.language_model.backend import ShouldCancel
from inference.language_model.block import DURATION_RANGE_S
from inference.language_model.own import own_values
from inference.language_model.planner import OpenSteps


def rewrite(
    request: PromptRequest,
    open_steps: OpenSteps,
    should_cancel: ShouldCancel,
    *,
    max_duration_s: int = DURATION_RANGE_S[1],
) -> PromptResult:
    """Have caption and lyrics improved and the rest filled in; what is known of the song stays.

    Raises:
        LMNotAvailable: none is offered.
        LMOutputInvalid, Cancelled, OutOfMemory, ModelLoadError, DeviceError: it failed.
    """
    begun = time.perf_counter()
    given = request.song
    own = own_values(given, max_duration_s=max_duration_s)
    steps = open_steps(request.options, lambda made, wanted: None, should_cancel)
    block, lyrics = steps.format(given.caption, given.lyrics, own.forced)
    song = block.as_song(lyrics)
    return PromptResult(
        song=replace(
            song,
            caption=song.caption or given.caption,
            lyrics=song.lyrics or given.lyrics,
            bpm=given.bpm or song.bpm,
            keyscale=own.song.keyscale or song.keyscale,
            timesignature=own.song.timesignature or song.timesignature,
            duration=given.duration or song.duration,
            language=own.song.language or song.language,
        ),
        record=LanguageRecord(
            backend_requested=request.options.backend,
            backend_used=steps.phases[-1].backend,
            fallback=steps.fallback,
            parameters=asdict(request.options),
            phases=tuple(steps.phases),
            written=song,
            notes=(*own.notes, *steps.notes),
        ),
        seconds={"lm": round(time.perf_counter() - begun, 4)},
    )
