"""The border of the engine: plain, JSON-serialisable requests and results. No torch.

Fixed numbers of ACE-Step 1.5: 48 000 Hz, 2 channels, 25 latent frames a second (1 frame = 1 920 samples),
5 audio codes a second (1 code = 5 frames), each one of 64 000.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from inference.language import LanguageRecord, Planning, Song

SAMPLE_RATE_HZ = 48_000
CHANNELS = 2
LATENT_RATE_HZ = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // LATENT_RATE_HZ
CODE_RATE_HZ = 5
AUDIO_CODES = 64_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSpec:
    """One clip of a batch.

    Attributes:
        prompt, lyrics: text, may be empty.
        vocal_language: language code, `unknown` allowed.
        bpm: 30 to 300, or None.
        keyscale, timesignature: text such as `A minor` and `4`; empty = not given.
        instruction: None = the text that belongs to the task.
        seed: 0 to 2**32 - 1, drawn and stored by the caller.
        audio_codes: 5 Hz codes, 0 to 63 999, for text2music and cover; in every item with one length, or
            in none.
    """

    prompt: str
    lyrics: str
    vocal_language: str = "en"
    bpm: int | None = None
    keyscale: str = ""
    timesignature: str = ""
    instruction: str | None = None
    seed: int
    audio_codes: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputAudio:
    """A normalised input file: float32 wav, 48 kHz, stereo, in the attempt's scratch folder.

    `sha256` is the hash of the client's original bytes; it seeds the encoding of the file.
    """

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One music job.

    Attributes:
        model: registry name.
        task_type: `text2music`, `cover`, `repaint`, `lego`, `extract` or `complete`.
        items: 1 to 8.
        duration: seconds, 10 to 600 on the wire (the engine accepts any positive length); None = length of
            the source or the codes.
        timesteps: strictly falling, in (0, 1], without a trailing zero; overrides steps and shift.
        cfg_interval: start and end as shares of the schedule.
        source: for every task but text2music; audio codes take its place in a cover.
        repaint_start, repaint_end: seconds, of repaint and lego; end None = end of the source.
        cover_strength: share of the steps that follow source or codes.
        track_name: for lego and extract. track_classes: for complete.
        audio_format: `mp3`, `wav`, `flac`, `opus`.
        planning: what the language model may do; None = nothing.
        scratch_dir: existing folder of this attempt; clips are written there.
    """

    model: str
    task_type: str = "text2music"
    items: tuple[ItemSpec, ...]
    duration: float | None
    steps: int = 8
    guidance_scale: float = 7.0
    shift: float = 3.0
    infer_method: str = "ode"
    timesteps: tuple[float, ...] | None = None
    use_adg: bool = False
    cfg_interval: tuple[float, float] = (0.0, 1.0)
    source: InputAudio | None = None
    reference: InputAudio | None = None
    repaint_start: float = 0.0
    repaint_end: float | None = None
    cover_strength: float = 1.0
    track_name: str | None = None
    track_classes: tuple[str, ...] = ()
    use_tiled_decode: bool = True
    audio_format: str = "mp3"
    planning: Planning | None = None
    scratch_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedClip:
    """One encoded clip in the scratch folder.

    `duration` is the real length in seconds; `silent` says that the model produced near-silence.
    """

    index: int
    path: str
    format: str
    size_bytes: int
    sha256: str
    sample_rate: int
    channels: int
    duration: float
    seed: int
    peak: float
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """What one request produced, with everything that is needed to produce it again.

    Attributes:
        effective: parameters after the engine's own clamping.
        audit: model name, revision, file hashes, device, dtype, thread count, library versions, shapes.
        song: texts and metadata of all clips, after the language model.
        language: what the language model did.
        seconds: wall time per stage.
        peak_memory_bytes: None on CPU.
    """

    clips: tuple[GeneratedClip, ...]
    song: Song = field(default_factory=Song)
    language: LanguageRecord = field(default_factory=LanguageRecord)
    effective: dict[str, Any] = field(default_factory=dict)
    audit: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a loaded or offered model can do; reported by workers, shown by `/v1/models`."""

    name: str
    category: str
    tasks: tuple[str, ...]
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an engine is told at its start.

    Attributes:
        models: registry names it offers; the first is loaded at the start, unless `lazy`.
        models_dir: absolute folder of the model files.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        threads: CPU threads of one operation; None = the library's choice.
        max_loaded: models kept in memory at once.
        lazy: nothing is loaded before a request needs it.
        keep_source: a repaint gives back the source itself outside its window, not the model's copy of it.
        flash_attention: wanted where the package is installed.
        offload: keep only the component that computes on the accelerator; None = where its memory is small.
        offload_transformer: keep the transformer off the accelerator between requests.
        compile_model: compile the transformer's blocks.
        language_models: registry names of the language models it offers, the default one first.
        lm_device: as `device`; "" = the same.
        lm_offload: keep a language model in main memory between jobs.
        max_duration_s: longest song that a language model may plan.
    """

    models: tuple[str, ...]
    models_dir: str
    device: str = "auto"
    threads: int | None = None
    max_loaded: int = 1
    lazy: bool = False
    keep_source: bool = True
    flash_attention: bool = True
    offload: bool | None = None
    offload_transformer: bool = False
    compile_model: bool = False
    language_models: tuple[str, ...] = ()
    lm_device: str = ""
    lm_offload: bool = False
    max_duration_s: int = 600


OnProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total); stages: loading, lm, encoding, diffusing, decoding, saving."""

ShouldCancel = Callable[[], bool]
