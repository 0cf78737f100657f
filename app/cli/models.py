"""`acestep-service models`: model files, through the inference package, which the service never imports."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import click

from app.cli.configure import settings_or_exit
from app.embedded.program import LAUNCHER
from app.settings import Settings


@click.group()
def models() -> None:
    """Model files: which there are, bring them here, check them."""


@models.command("list")
def list_() -> None:
    """Show every known model: whether it is here, size of the download, licence."""
    _become("list")


@models.command()
@click.argument("names", nargs=-1)
@click.option(
    "--source", help="auto, huggingface, modelscope, or a folder.  [default: ACESTEP_DOWNLOAD_SOURCE]"
)
def download(names: Sequence[str], source: str | None) -> None:
    """Bring the files of these models (default: the configured ones).

    An interrupted download goes on where it stopped.
    """
    settings = settings_or_exit(download_source=source)
    _become("download", "--source", settings.download_source, *(names or _configured(settings)))


@models.command()
@click.argument("names", nargs=-1)
def verify(names: Sequence[str]) -> None:
    """Read all files of these models (default: of all that are here) and compare their hashes."""
    _become("verify", *names)


def bring_models(settings: Settings) -> None:
    """Download, with its progress on this terminal, what is missing of the configured models.

    Raises:
        SystemExit: it could not be had; the text is told already.
    """
    if settings.engine:
        return
    command = _command(settings, "download", "--source", settings.download_source, *_configured(settings))
    # If we are killed, the download ends too; what came stays, and the next one goes on from there.
    bound = [
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(int(signal.SIGTERM)),
        str(os.getpid()),
        "-1",
        "-1",
    ]
    if subprocess.run([*bound, *command], check=False).returncode != 0:
        raise SystemExit(1)


def _configured(settings: Settings) -> tuple[str, ...]:
    """The diffusion models, and the language model: in any case, where it fits, or not at all."""
    match settings.init_llm:
        case True:
            return (*settings.models, settings.lm_model)
        case "auto":
            fitting = ("--where-it-fits", settings.lm_model, "--device", settings.device)
            return (*settings.models, *fitting)
        case _:
            return settings.models


def _become(action: str, *arguments: str) -> None:
    command = _command(settings_or_exit(), action, *arguments)
    os.execv(command[0], command)  # noqa: S606


def _command(settings: Settings, action: str, *arguments: str) -> list[str]:
    # -P: the working folder may hold packages with our names.
    module = [sys.executable, "-P", "-m", "inference", "models", action]
    return [*module, "--models-dir", str(settings.data_dir / "models"), *arguments]
