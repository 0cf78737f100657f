"""Kinds of audio files that this machine decodes; importing this loads no decoder."""

from importlib.util import find_spec

PLAIN_KINDS = ("wav", "flac", "mp3", "ogg")
MEDIA_KINDS = ("m4a", "aac", "webm", "oga")
"""Need the optional PyAV: MP4, bare AAC, WebM and Matroska, FLAC in Ogg."""


def decodable_kinds() -> tuple[str, ...]:
    """Return what the decode process can read here."""
    return (*PLAIN_KINDS, *MEDIA_KINDS) if find_spec("av") else PLAIN_KINDS
