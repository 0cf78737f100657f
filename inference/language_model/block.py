"""The think block: its fields in their order, and what each may hold."""

from dataclasses import dataclass, fields

from inference.language import Song

LANGUAGES = (
    *("ar", "az", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hr"),
    *("ht", "hu", "id", "is", "it", "ja", "ko", "la", "lt", "ms", "ne", "nl", "no", "pa", "pl", "pt", "ro"),
    *("ru", "sa", "sk", "sr", "sv", "sw", "ta", "te", "th", "tl", "tr", "uk", "ur", "vi", "yue", "zh"),
    "unknown",
)
KEYSCALES = tuple(
    f"{note}{sign} {mode}"
    for note in "ABCDEFG"
    for sign in ("", "#", "b", "♯", "♭")
    for mode in ("major", "minor")
)
TIME_SIGNATURES = ("2", "3", "4", "6")
BPM_RANGE = (30, 300)
DURATION_RANGE_S = (10, 600)
GENRES_MAX_CHARS = 120
LYRICS_MAX_CHARS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Values of a think block; None and "" = not there.

    Attributes:
        bpm: 30 to 300.
        duration: whole seconds, 10 to 600.
        keyscale: one of KEYSCALES.
        language: one of LANGUAGES.
        timesignature: one of TIME_SIGNATURES.
    """

    bpm: int | None = None
    caption: str = ""
    duration: int | None = None
    genres: str = ""
    keyscale: str = ""
    language: str = ""
    timesignature: str = ""

    def values(self) -> dict[str, int | str]:
        """Return what is there, in the order of the fields."""
        return {name: value for name in FIELDS if (value := getattr(self, name))}

    def completed(self, other: "Block") -> "Block":
        """Return this block, with the values of another where it has none."""
        return Block(
            bpm=self.bpm or other.bpm,
            caption=self.caption or other.caption,
            duration=self.duration or other.duration,
            genres=self.genres or other.genres,
            keyscale=self.keyscale or other.keyscale,
            language=self.language or other.language,
            timesignature=self.timesignature or other.timesignature,
        )

    def as_song(self, lyrics: str = "") -> Song:
        """Return the same values beside lyrics."""
        return Song(
            lyrics=lyrics,
            bpm=self.bpm,
            caption=self.caption,
            duration=self.duration,
            genres=self.genres,
            keyscale=self.keyscale,
            language=self.language,
            timesignature=self.timesignature,
        )


FIELDS = tuple(field.name for field in fields(Block))
"""Names in the order in which the model writes them."""
