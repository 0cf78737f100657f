"""An export as a table: one row a task, for spreadsheets."""

import csv
import io
from collections.abc import Iterable
from typing import Any

import msgspec

from app.domain.audit import effective_parameters
from app.domain.history import StoredTask
from app.domain.listed import ListedTask, listed_of
from app.domain.params import PARAMETERS

# A spreadsheet would compute a cell that begins like this.
_FORMULA = ("=", "+", "-", "@")
_OF_TASK = tuple(field.name for field in msgspec.structs.fields(ListedTask))
_OF_PARAMETERS = tuple(parameter.name for parameter in PARAMETERS)


def header() -> str:
    """Return the line with the names of the columns."""
    return _lines([[*_OF_TASK, *(f"param.{name}" for name in _OF_PARAMETERS)]])


def rows(tasks: Iterable[StoredTask]) -> str:
    """Return one line for each task; lists and objects are JSON, what is null is empty."""
    return _lines(_row(task) for task in tasks)


def _row(task: StoredTask) -> list[str]:
    line, parameters = listed_of(task), effective_parameters(task.params)
    return [
        *(_cell(getattr(line, name)) for name in _OF_TASK),
        *(_cell(parameters.get(name)) for name in _OF_PARAMETERS),
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return msgspec.json.encode(value).decode()


def _lines(cells: Iterable[Iterable[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(cells)
    return text.getvalue()
