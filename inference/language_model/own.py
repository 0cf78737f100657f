"""The user's own values of a song, and what of them a think block can hold."""

from dataclasses import dataclass

from inference.language import Song
from inference.language_model import normalise
from inference.language_model.block import BPM_RANGE, DURATION_RANGE_S

_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What is explicit; these values win over those of the language model in every step.

    Attributes:
        song: as given, keys and time signatures in the model's spelling where it has one.
        forced: what a think block has to hold, in the domain of its fields.
        notes: what the language model cannot be told.
    """

    song: Song
    forced: dict[str, int | str]
    notes: tuple[str, ...]


def own_values(song: Song, *, max_duration_s: int = DURATION_RANGE_S[1]) -> Own:
    """Read the metadata of a song as a user's explicit wishes."""
    words = {
        "keyscale": normalise.keyscale(song.keyscale),
        "timesignature": normalise.timesignature(song.timesignature),
        "language": normalise.language(song.language),
    }
    forced: dict[str, int | str] = {name: word for name, word in words.items() if word}
    if song.bpm is not None:
        forced["bpm"] = _within(song.bpm, *BPM_RANGE)
    if song.duration is not None:
        forced["duration"] = _within(int(song.duration), DURATION_RANGE_S[0], max_duration_s)
    given = {"keyscale": song.keyscale.strip(), "timesignature": song.timesignature.strip()}
    notes = tuple(
        f"{name} {text[:_SHOWN_CHARS]!r} is for the diffusion model only"
        for name, text in given.items()
        if text and not words[name]
    )
    return Own(
        song=Song(
            bpm=song.bpm,
            duration=song.duration,
            keyscale=words["keyscale"] or given["keyscale"],
            timesignature=words["timesignature"] or given["timesignature"],
            language=words["language"],
        ),
        forced=forced,
        notes=notes,
    )


def _within(number: int, low: int, high: int) -> int:
    return min(max(number, low), high)
