"""`python -m inference models list|check`: which models are known, and whether they can be used here."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from inference.errors import ModelNotAvailable
from inference.models import registry


def main() -> int:
    """Parse the command line and run the command; the exit status is 1 if a check fails."""
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    subjects = parser.add_subparsers(dest="subject", required=True)
    actions = subjects.add_parser("models", help="model files").add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="print name, state and licence of every known model")
    check = actions.add_parser("check", help="say what is missing for these models")
    check.add_argument("names", nargs="+")
    for action in (listing, check):
        action.add_argument("--models-dir", type=Path, default=Path(".cache/acestep/data/models"))
    arguments = parser.parse_args()
    if arguments.action == "check":
        return check_models(arguments.names, arguments.models_dir)
    sys.stdout.write(list_models(arguments.models_dir))
    return 0


def check_models(names: Sequence[str], models_dir: Path) -> int:
    """Print what is missing for these models to standard error; 0 if each can be used on this machine."""
    try:
        for name in names:
            spec = registry.find(name)
            if not spec.is_built_here:
                registry.require(spec.name, models_dir)
    except ModelNotAvailable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def list_models(models_dir: Path) -> str:
    """Return one line for each known model."""
    models = [spec for spec in registry.known() if spec.kind != "part"]
    rows = [(spec.name, _state(spec, models_dir), spec.licence) for spec in models]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:{widths[0]}}  {state:{widths[1]}}  {licence}\n" for name, state, licence in rows)


def _state(spec: registry.ModelSpec, models_dir: Path) -> str:
    if registry.is_on_disk(spec, models_dir):
        return "on this machine"
    return "built on first use" if spec.is_built_here else "not on this machine"


if __name__ == "__main__":
    sys.exit(main())
