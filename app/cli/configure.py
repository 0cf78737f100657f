"""Settings for commands: a wrong value ends the program with one line."""

from typing import Any

import click

from app.settings import ConfigurationError, Settings, load


def settings_or_exit(**flags: Any) -> Settings:
    """Read the settings, or end with one line that names what is wrong."""
    try:
        return load(**flags)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None
