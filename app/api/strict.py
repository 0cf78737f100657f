"""How own routes read a request: JSON or nothing, and no names that they do not know."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from app.api.body import has_body, read_body
from app.api.context import HttpRequest, context_of
from app.domain.aliases import TOKEN_FIELD
from app.domain.credentials import without_credentials
from app.domain.errors import UnsupportedMediaTypeError, ValidationError

FORM_TYPES = ("multipart/", "application/x-www-form-urlencoded")
_SHOWN_CHARS = 40
_MAX_ERROR_CHARS = 200

Fields = TypeVar("Fields", bound=msgspec.Struct)


async def read_fields(request: HttpRequest) -> dict[str, Any]:
    """Read the body of a route that requires none; a missing one has no fields."""
    if not has_body(request):
        return {}
    body = await read_body(request, max_bytes=context_of(request).config.max_body_bytes)
    if body.content_type.startswith(FORM_TYPES):
        raise UnsupportedMediaTypeError("this route takes JSON only")
    return body.fields


def refuse_unknown(what: str, names: Iterable[str], *, known: Collection[str] = ()) -> None:
    """Refuse names that the route does not know; asked after the key was accepted.

    Raises:
        ValidationError: with the first unknown name.
    """
    for name in names:
        if name not in known and not (what == "field" and name == TOKEN_FIELD):
            raise ValidationError(f"unknown {what}: {without_credentials(name)[:_SHOWN_CHARS]}")


def read_struct(fields: Mapping[str, Any], shape: type[Fields]) -> Fields:
    """Read the fields of a body into a shape, without `ai_token`; asked after the key was accepted.

    Raises:
        ValidationError: an unknown, missing or wrong field.
    """
    given = {name: value for name, value in fields.items() if name != TOKEN_FIELD}
    try:
        return msgspec.convert(given, shape)
    except msgspec.ValidationError as error:
        raise ValidationError(without_credentials(str(error)[:_MAX_ERROR_CHARS])) from None
