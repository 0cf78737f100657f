"""`python -m app.cli.parameters`: writes docs/parameters.md from the parameter table."""

from pathlib import Path

from app.domain.parameter import Kind, Parameter, TextLimit
from app.domain.params import PARAMETERS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"

_HEAD = """# Parameters of `/release_task`

Made by `make docs` from `app/domain/params.py` and `app/domain/aliases.py`; change those, not this file.

All parameters may be left out. A value is looked up in the body, then in `param_obj`, then in the first
non-empty of `metas`, `meta`, `metadata`, `user_metadata`, `userMetadata`; in each place the names are tried
in the order shown, and the first that is not null counts. A blank or unreadable number means the default.
What was changed is recorded with the task as an adjustment. Lengths of texts, the longest audio and the
default language model runtime are settings ([operations.md](operations.md)).

| name | other names | type | default | allowed | about |
|---|---|---|---|---|---|
"""

_FOOT = """
Beside them the body may hold `priority` (-10 to 10, cut to what the team may use), `labels` (an object of at
most 16 short text pairs), `webhook_url` (an https address) and `ai_token` (the key, where a client
cannot send a header).

## Where to look

The table: `app/domain/params.py`. Other names and the lookup: `app/domain/aliases.py`. Reading of values:
`app/domain/reading.py`. Rules between parameters: `app/domain/rules.py`.
"""


def render() -> str:
    """Return the document."""
    return _HEAD + "".join(_row(parameter) for parameter in PARAMETERS) + _FOOT


def _row(parameter: Parameter) -> str:
    others = ", ".join(f"`{name}`" for name in parameter.aliases) or "–"
    cells = (
        f"`{parameter.name}`",
        others,
        "choice" if parameter.kind is Kind.CHOICE else parameter.kind.value,
        _default(parameter),
        _allowed(parameter),
        " ".join(filter(None, (parameter.about, _outside(parameter)))),
    )
    return f"| {' | '.join(cell.replace('|', '¦') for cell in cells)} |\n"


def _default(parameter: Parameter) -> str:
    match parameter.default:
        case None:
            return "–"
        case bool():
            return "true" if parameter.default else "false"
        case "":
            return "empty"
        case _:
            return f"`{parameter.default}`"


def _allowed(parameter: Parameter) -> str:
    parts = [" ".join(f"`{choice}`" for choice in parameter.choices)]
    if parameter.minimum is not None and parameter.maximum is not None:
        parts.append(f"{parameter.minimum:g} to {parameter.maximum:g}")
    if parameter.turbo_maximum is not None:
        parts.append(f"(turbo: at most {parameter.turbo_maximum})")
    if parameter.unit:
        parts.append(parameter.unit)
    if parameter.kind in (Kind.TEXT, Kind.CODES, Kind.NAMES) and parameter.text_limit is not TextLimit.OTHER:
        parts.append(f"up to `ACESTEP_MAX_{parameter.text_limit.name}_CHARS`")
    return " ".join(filter(None, parts)) or "–"


def _outside(parameter: Parameter) -> str:
    return f"Other values: {parameter.outside}." if parameter.outside else ""


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
