"""What a wish in a few words says about voice and language."""

import re

_INSTRUMENTAL = ("instrumental", "pure music", "pure instrument")
_ENDING = " solo"
_NAMES = {
    "arabic": "ar",
    "azerbaijani": "az",
    "bengali": "bn",
    "bulgarian": "bg",
    "cantonese": "yue",
    "catalan": "ca",
    "chinese": "zh",
    "croatian": "hr",
    "czech": "cs",
    "danish": "da",
    "dutch": "nl",
    "english": "en",
    "finnish": "fi",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "haitian creole": "ht",
    "hebrew": "he",
    "hindi": "hi",
    "hungarian": "hu",
    "icelandic": "is",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "latin": "la",
    "lithuanian": "lt",
    "malay": "ms",
    "mandarin": "zh",
    "nepali": "ne",
    "norwegian": "no",
    "persian": "fa",
    "polish": "pl",
    "portuguese": "pt",
    "punjabi": "pa",
    "romanian": "ro",
    "russian": "ru",
    "sanskrit": "sa",
    "serbian": "sr",
    "slovak": "sk",
    "spanish": "es",
    "swahili": "sw",
    "swedish": "sv",
    "tagalog": "tl",
    "tamil": "ta",
    "telugu": "te",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "urdu": "ur",
    "vietnamese": "vi",
    "中文": "zh",
    "普通话": "zh",
    "粤语": "yue",
    "日本語": "ja",
    "한국어": "ko",
    "français": "fr",
    "deutsch": "de",
    "español": "es",
    "italiano": "it",
    "português": "pt",
    "русский": "ru",
}
_NAME = re.compile(r"(?<![^\W_])(?:" + "|".join(map(re.escape, _NAMES)) + r")(?![^\W_])")
# Words of music and of everyday English, which name a language only after "in".
_AMBIGUOUS = {"latin", "polish"}


def is_instrumental(query: str) -> bool:
    """Whether the wish is for music without a voice."""
    query = query.lower().rstrip()
    return query.endswith(_ENDING) or any(word in query for word in _INSTRUMENTAL)


def language_in(query: str) -> str:
    """Return the code of the first language that the wish names; "" if it names none."""
    query = query.lower()
    for found in _NAME.finditer(query):
        name = found[0]
        if name not in _AMBIGUOUS or query[: found.start()].endswith("in "):
            return _NAMES[name]
    return ""
