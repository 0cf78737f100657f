"""What is asked of the language model and what it answers: plain and JSON-serialisable. No torch."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageOptions:
    """Which language model answers, and how.

    Attributes:
        model: registry name; "" = the one of the installation.
        backend: `vllm` or `pt`, as asked for; another one is used where it cannot serve.
        seed: 0 to 2**32 - 1, of all text; audio codes have the seed of their item.
        temperature: 0 takes the likeliest token.
        cfg_scale: guidance away from the negative prompt; 1 and below switch it off.
        top_k: None is off.
        top_p: 1 and above, 0 and below are off.
        repetition_penalty: 1 is off.
        constrained: force the answer into its grammar; audio codes always are.
        debug: write grammars to the debug log.
    """

    model: str = ""
    backend: str = "pt"
    seed: int
    temperature: float = 0.85
    cfg_scale: float = 2.5
    negative_prompt: str = "NO USER INPUT"
    top_k: int | None = None
    top_p: float = 0.9
    repetition_penalty: float = 1.0
    constrained: bool = True
    debug: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """What the language model may do for a music job; values of the job's items are the user's own.

    Attributes:
        thinking: plan audio codes, for text2music.
        sample_query: a wish in a few words; not blank turns `sample_mode` on.
        use_format: rewrite caption and lyrics first.
        use_cot_caption, use_cot_language: the plan may rewrite the caption, detect the language.
        language_is_explicit: whether the items' language is the user's choice and not the default.
        batch: plan all items together.
    """

    options: LanguageOptions
    thinking: bool = False
    sample_mode: bool = False
    sample_query: str = ""
    use_format: bool = False
    use_cot_caption: bool = True
    use_cot_language: bool = True
    language_is_explicit: bool = False
    batch: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Song:
    """Texts and metadata of a song; None and "" = not known.

    Attributes:
        duration: seconds.
        genres: as the model wrote them.
    """

    caption: str = ""
    lyrics: str = ""
    bpm: int | None = None
    keyscale: str = ""
    timesignature: str = ""
    duration: float | None = None
    language: str = ""
    genres: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One thing that the language model did.

    Attributes:
        name: `sample`, `format`, `metadata`, `codes` or `understand`.
        backend: the one that was used.
        seeds: of the rows; of the second try where the first failed.
        tokens: generated over all rows, tries and calls.
        text: the think block as written; "" for codes.
    """

    name: str
    backend: str
    seeds: tuple[int, ...]
    tries: int = 1
    tokens: int
    seconds: float
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRecord:
    """What is kept about the language model's part in a job.

    Attributes:
        model: "" if none ran.
        files: SHA-256 of its files by name.
        backend_used: that of the last phase; "" if none ran.
        fallback: why another backend than the one asked for was used; "" = it was not.
        parameters: the values that counted.
        written: caption and metadata of the plan as the model wrote them; lyrics where it wrote some.
        codes: of each item; none if the language model made none.
        notes: what was not done as asked, for people.
    """

    model: str = ""
    revision: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    backend_requested: str = ""
    backend_used: str = ""
    fallback: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    phases: tuple[Phase, ...] = ()
    written: Song = field(default_factory=Song)
    codes: tuple[tuple[int, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRequest:
    """A text to improve; values of `song` that are known are the user's own and stay."""

    options: LanguageOptions
    song: Song


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptResult:
    """The improved song, the user's own values included."""

    song: Song
    record: LanguageRecord
    seconds: dict[str, float] = field(default_factory=dict)
