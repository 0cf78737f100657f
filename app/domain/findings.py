"""What a check of the installation found: one line, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How bad it is: `warn` = the service works, `fail` = something does not."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one check; `remedy` is empty where nothing has to be done."""

    check: str
    health: Health
    text: str
    remedy: str = ""


def good(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check=check, health=Health.OK, text=text)


def warn(check: str, text: str, remedy: str) -> Finding:
    """The service works, but not as it could."""
    return Finding(check=check, health=Health.WARN, text=text, remedy=remedy)


def fail(check: str, text: str, remedy: str) -> Finding:
    """Something does not work."""
    return Finding(check=check, health=Health.FAIL, text=text, remedy=remedy)
