"""The parameters of a generation, as data: parser, API schema and documentation read this table."""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.parameter import Kind, Parameter, TextLimit

TASK_TYPES = ("text2music", "cover", "repaint", "lego", "extract", "complete")
BASE_ONLY_TASKS = ("lego", "extract", "complete")
CODE_TASKS = ("text2music", "cover")
AUDIO_FORMATS = ("mp3", "wav", "flac", "opus")
MAX_BATCH = 8
_LANGUAGE_CODES = (
    "ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro "
    "ru sa sk sr sv sw ta te th tl tr uk ur vi yue zh"
)
VOCAL_LANGUAGES = frozenset(_LANGUAGE_CODES.split())

_CLAMP = "set to the nearest allowed value, recorded"
_REFUSED = "refused (400)"
_TOO_LONG = "too long is refused (400)"

_MUSIC = (
    Parameter(
        name="prompt",
        kind=Kind.TEXT,
        default="",
        text_limit=TextLimit.PROMPT,
        outside=_TOO_LONG,
        about="Description of the music: style, instruments, mood.",
    ),
    Parameter(
        name="lyrics",
        kind=Kind.TEXT,
        default="",
        text_limit=TextLimit.LYRICS,
        outside=_TOO_LONG,
        about="Text to sing; empty, `[inst]` or `[instrumental]` gives instrumental music.",
    ),
    Parameter(
        name="thinking",
        kind=Kind.BOOL,
        default=False,
        about="The language model plans the song as audio codes first.",
    ),
    Parameter(
        name="sample_mode",
        kind=Kind.BOOL,
        default=False,
        about="The language model writes caption, lyrics and metadata from `sample_query`.",
    ),
    Parameter(
        name="sample_query",
        kind=Kind.TEXT,
        default="",
        text_limit=TextLimit.PROMPT,
        outside=_TOO_LONG,
        about="What to write a song about; a text here turns `sample_mode` on.",
    ),
    Parameter(
        name="use_format",
        kind=Kind.BOOL,
        default=False,
        about="The language model rewrites caption and lyrics before generating.",
    ),
    Parameter(
        name="model",
        kind=Kind.TEXT,
        outside="an unknown name is refused (400) with the list of offered ones",
        about="Diffusion model; empty means the default model. `acestep/<name>` is accepted.",
    ),
    Parameter(
        name="bpm",
        kind=Kind.INT,
        minimum=30,
        maximum=300,
        nonpositive_is_unset=True,
        unit="beats per minute",
        outside=f"0 and below mean unset; else {_CLAMP}",
        about="Tempo; unset leaves it to the models.",
    ),
    Parameter(name="key_scale", kind=Kind.TEXT, default="", about="Musical key, such as `C major` or `Am`."),
    Parameter(
        name="time_signature",
        kind=Kind.TEXT,
        default="",
        outside="other text goes to the diffusion model only",
        about="Beats per bar: `2`, `3`, `4` or `6`; `2/4`, `3/4`, `4/4` and `6/8` are understood.",
    ),
    Parameter(
        name="audio_duration",
        kind=Kind.FLOAT,
        minimum=10,
        maximum=600,
        nonpositive_is_unset=True,
        unit="s",
        outside=f"0 and below mean automatic; else {_CLAMP}",
        about="Length of the clip; empty is automatic.",
    ),
    Parameter(
        name="vocal_language",
        kind=Kind.TEXT,
        default="en",
        outside="an unknown language becomes `unknown`, recorded",
        about="Language of the lyrics, as a code such as `en`, `zh` or `pt-BR`.",
    ),
)

_DIFFUSION = (
    Parameter(
        name="inference_steps",
        kind=Kind.INT,
        default=8,
        minimum=1,
        maximum=200,
        turbo_maximum=20,
        outside=_CLAMP,
        about="Diffusion steps: turbo models 8, base models 32 to 64.",
    ),
    Parameter(
        name="guidance_scale",
        kind=Kind.FLOAT,
        default=7.0,
        minimum=1,
        maximum=30,
        outside=_CLAMP,
        about="How closely the prompt is followed; turbo models do not use it (1.0).",
    ),
    Parameter(
        name="use_random_seed",
        kind=Kind.BOOL,
        default=True,
        about="Draw all seeds; `seed` counts only if this is false.",
    ),
    Parameter(
        name="seed",
        kind=Kind.SEEDS,
        default=-1,
        outside="junk and -1 are drawn; a number is taken modulo 2^32; a surplus is ignored, recorded",
        about="One seed per clip, in batch order: a number, a list, or text with commas.",
    ),
    Parameter(
        name="batch_size",
        kind=Kind.INT,
        default=2,
        minimum=1,
        maximum=MAX_BATCH,
        outside=_CLAMP,
        about="Number of clips.",
    ),
    Parameter(
        name="audio_code_string",
        kind=Kind.CODES,
        default="",
        text_limit=TextLimit.CODES,
        outside=f"{_TOO_LONG}, as are codes above 63999 and a text without any; a list needs one text or one "
        "per clip, with equal numbers of codes (400)",
        about="Audio codes to follow, such as `<|audio_code_123|><|audio_code_45|>`: five a second, which "
        "gives the length. Used only with `thinking`, by `text2music` and `cover`.",
    ),
    Parameter(
        name="shift",
        kind=Kind.FLOAT,
        default=3.0,
        minimum=1,
        maximum=5,
        outside=_CLAMP,
        about="Time shift of the schedule; turbo models use their own.",
    ),
    Parameter(
        name="infer_method",
        kind=Kind.CHOICE,
        default="ode",
        choices=("ode", "sde"),
        outside=_REFUSED,
        about="Sampler: deterministic `ode`, or `sde` with fresh noise in each step.",
    ),
    Parameter(
        name="timesteps",
        kind=Kind.TIMESTEPS,
        outside=_REFUSED,
        about="Own schedule, strictly falling from at most 1; replaces `inference_steps` and `shift`.",
    ),
    Parameter(
        name="use_adg",
        kind=Kind.BOOL,
        default=False,
        about="Adaptive dual guidance; turbo models do not use it.",
    ),
    Parameter(
        name="cfg_interval_start",
        kind=Kind.FLOAT,
        default=0.0,
        minimum=0,
        maximum=1,
        unit="share of the schedule",
        outside=f"{_CLAMP}; a start behind the end is refused (400)",
        about="Where guidance begins.",
    ),
    Parameter(
        name="cfg_interval_end",
        kind=Kind.FLOAT,
        default=1.0,
        minimum=0,
        maximum=1,
        unit="share of the schedule",
        outside=f"{_CLAMP}; an end before the start is refused (400)",
        about="Where guidance ends.",
    ),
    Parameter(
        name="audio_format",
        kind=Kind.CHOICE,
        default="mp3",
        choices=AUDIO_FORMATS,
        outside=_REFUSED,
        about="Encoding of the clips; any case, with or without a leading dot.",
    ),
    Parameter(
        name="use_tiled_decode", kind=Kind.BOOL, default=True, about="Decode in pieces, to save memory."
    ),
)

_LANGUAGE_MODEL = (
    Parameter(
        name="lm_model_path",
        kind=Kind.TEXT,
        outside="an unknown name becomes the default language model, recorded",
        about="Language model to use.",
    ),
    Parameter(
        name="lm_backend",
        kind=Kind.CHOICE,
        default="vllm",
        choices=("vllm", "pt"),
        outside=_REFUSED,
        about="Runtime of the language model; the default is the installation's.",
    ),
    Parameter(
        name="lm_temperature",
        kind=Kind.FLOAT,
        default=0.85,
        minimum=0,
        maximum=2,
        outside=_CLAMP,
        about="Randomness of the language model; 0 always takes the likeliest token.",
    ),
    Parameter(
        name="lm_cfg_scale",
        kind=Kind.FLOAT,
        default=2.5,
        minimum=0,
        maximum=10,
        outside=_CLAMP,
        about="Guidance of the language model; 1 and below switch it off.",
    ),
    Parameter(
        name="lm_negative_prompt",
        kind=Kind.TEXT,
        default="NO USER INPUT",
        text_limit=TextLimit.PROMPT,
        outside=_TOO_LONG,
        about="What the guidance of the language model leads away from.",
    ),
    Parameter(
        name="lm_top_k",
        kind=Kind.INT,
        nonpositive_is_unset=True,
        outside="empty, 0 and below mean off",
        about="Sample among this many likeliest tokens.",
    ),
    Parameter(
        name="lm_top_p",
        kind=Kind.FLOAT,
        default=0.9,
        outside="1 and above, 0 and below mean off",
        about="Sample among the likeliest tokens that make up this share.",
    ),
    Parameter(
        name="lm_repetition_penalty",
        kind=Kind.FLOAT,
        default=1.0,
        minimum=0.5,
        maximum=2,
        outside=_CLAMP,
        about="Above 1 makes repeated tokens less likely.",
    ),
    Parameter(
        name="use_cot_caption",
        kind=Kind.BOOL,
        default=True,
        outside="switched off and recorded where no language model is offered",
        about="The language model may rewrite the caption.",
    ),
    Parameter(
        name="use_cot_language",
        kind=Kind.BOOL,
        default=True,
        outside="switched off and recorded where no language model is offered",
        about="The language model may detect the vocal language.",
    ),
    Parameter(
        name="constrained_decoding",
        kind=Kind.BOOL,
        default=True,
        about="Force the reply of the language model into its grammar.",
    ),
    Parameter(
        name="constrained_decoding_debug",
        kind=Kind.BOOL,
        default=False,
        about="Log more about constrained decoding.",
    ),
    Parameter(
        name="allow_lm_batch", kind=Kind.BOOL, default=True, about="Plan all clips of the batch together."
    ),
    Parameter(
        name="is_format_caption", kind=Kind.BOOL, default=False, about="Accepted and stored; without effect."
    ),
)

_SOURCE_AUDIO = (
    Parameter(
        name="reference_audio_path", kind=Kind.TEXT, outside=_REFUSED, about="Audio whose sound is imitated."
    ),
    Parameter(
        name="src_audio_path", kind=Kind.TEXT, outside=_REFUSED, about="Audio to cover, repaint or add to."
    ),
    Parameter(
        name="task_type",
        kind=Kind.CHOICE,
        default="text2music",
        choices=TASK_TYPES,
        outside=f"{_REFUSED}; lego, extract and complete need a base model",
        about="What to do; all but `text2music` need a source audio.",
    ),
    Parameter(
        name="instruction",
        kind=Kind.TEXT,
        default="",
        text_limit=TextLimit.PROMPT,
        outside=_TOO_LONG,
        about="Instruction to the diffusion model; blank takes the text of the task type.",
    ),
    Parameter(
        name="track_name",
        kind=Kind.TEXT,
        about="Track to make (`lego`) or to take out (`extract`). The models know woodwinds, brass, fx, "
        "synth, strings, percussion, keyboard, guitar, bass, drums, backing_vocals and vocals.",
    ),
    Parameter(
        name="track_classes", kind=Kind.NAMES, about="Tracks to add in `complete`; names as for `track_name`."
    ),
    Parameter(
        name="repainting_start",
        kind=Kind.FLOAT,
        default=0.0,
        minimum=-600,
        maximum=600,
        unit="s",
        outside=_CLAMP,
        about="Begin of the part to repaint; negative adds time before the source.",
    ),
    Parameter(
        name="repainting_end",
        kind=Kind.FLOAT,
        nonpositive_is_unset=True,
        unit="s",
        outside="empty, 0 and below mean the end of the source; an end before the start is refused (400)",
        about="End of the part to repaint.",
    ),
    Parameter(
        name="audio_cover_strength",
        kind=Kind.FLOAT,
        default=1.0,
        minimum=0,
        maximum=1,
        outside=_CLAMP,
        about="Share of the steps that follow the source of a cover, or the audio codes.",
    ),
)

PARAMETERS: tuple[Parameter, ...] = (*_MUSIC, *_DIFFUSION, *_LANGUAGE_MODEL, *_SOURCE_AUDIO)
"""Every generation parameter. Any of them may be left out."""

BY_NAME: Mapping[str, Parameter] = MappingProxyType({p.name: p for p in PARAMETERS})
