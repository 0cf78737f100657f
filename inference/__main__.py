"""`python -m inference models list|check|download|verify`: the model files of this machine."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from inference.errors import ModelLoadError, ModelNotAvailable
from inference.models import record, registry
from inference.models.bar import Bar, as_size
from inference.models.sources import DownloadFailed, source_of
from inference.models.spec import ModelSpec


def main() -> int:
    """Parse the command line and run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    subjects = parser.add_subparsers(dest="subject", required=True)
    actions = subjects.add_parser("models", help="model files").add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="print name, state, size and licence of every known model")
    asking = actions.add_parser("check", help="say what is missing for these models")
    asking.add_argument("names", nargs="+")
    fetching = actions.add_parser("download", help="bring the files of these models")
    fetching.add_argument("names", nargs="+")
    fetching.add_argument(
        "--where-it-fits", metavar="NAME", help="one more, if the accelerator has room for it"
    )
    fetching.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps")
    fetching.add_argument("--source", default="auto", help="auto, huggingface, modelscope, or a folder")
    checking = actions.add_parser("verify", help="read all files again and compare their hashes")
    checking.add_argument("names", nargs="*")
    for action in (listing, asking, fetching, checking):
        action.add_argument("--models-dir", type=Path, default=Path(".cache/acestep/data/models"))
    arguments = parser.parse_args()
    try:
        return _run(arguments)
    except (ModelNotAvailable, ModelLoadError, DownloadFailed) as error:
        sys.stderr.write(f"Error: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; the same command goes on from here.\n")
    return 1


def _run(arguments: argparse.Namespace) -> int:
    models_dir: Path = arguments.models_dir.absolute()
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    match arguments.action:
        case "list":
            sys.stdout.write(list_models(models_dir))
        case "check":
            for name in arguments.names:
                registry.require(name, models_dir)
        case "download":
            bring(arguments.names, models_dir, arguments.source, console)
            if arguments.where_it_fits is not None:
                bring_where_it_fits(
                    arguments.where_it_fits, models_dir, arguments.source, console, device=arguments.device
                )
        case "verify":
            return 0 if verify(arguments.names, models_dir, console) else 1
    return 0


def list_models(models_dir: Path) -> str:
    """Return one line for each known model: name, state, size of the whole download, licence."""
    models = [spec for spec in registry.known(models_dir) if spec.kind != "part"]
    rows = [(spec.name, _state(spec, models_dir), _size(spec), _licence(spec)) for spec in models]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        f"{name:{widths[0]}}  {state:{widths[1]}}  {size:>{widths[2]}}  {licence}\n"
        for name, state, size, licence in rows
    )


def bring(names: Sequence[str], models_dir: Path, source: str, console: Console) -> None:
    """Download what is missing of these models; those that are built or lie elsewhere are only looked up.

    Raises:
        ModelNotAvailable: a name is not known.
        DownloadFailed: see `inference.models.download`.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    specs = [registry.find(name, models_dir) for name in names]
    if registry.missing(specs, models_dir):
        # Here, because an installation without the model libraries can list models, too.
        from inference.models.download import download

        download(specs, models_dir, source_of(source), console)
    for spec in specs:
        registry.require(spec.name, models_dir)


def bring_where_it_fits(name: str, models_dir: Path, source: str, console: Console, *, device: str) -> None:
    """Download one more model if the accelerator has room for it; without it the others still serve."""
    try:
        if not registry.missing([registry.find(name, models_dir)], models_dir):
            return
        # Only here: loading torch takes seconds.
        from inference.diffusion.placement import Machine

        if Machine.look(device).has_room_for_language:
            bring([name], models_dir, source, console)
    except (ModelNotAvailable, DownloadFailed) as error:
        console.print(f"Going on without a language model: {error}")


def verify(names: Sequence[str], models_dir: Path, console: Console) -> bool:
    """Hash every file of these models, or of all that are there, and print what differs from the record."""
    specs = [registry.find(name, models_dir) for name in names] or _downloaded(models_dir)
    places = {
        place: None
        for spec in specs
        for place in [registry.folder(spec, models_dir), *registry.part_folders(spec, models_dir)]
    }
    sound = True
    for place in places:
        faults = _faults(place, console)
        console.print(f"{place.name}: {', '.join(faults) if faults else 'all files as they were downloaded'}")
        sound = sound and not faults
    return sound


def _faults(place: Path, console: Console) -> list[str]:
    kept = record.read(place)
    if kept is None:
        return ["nothing to compare with: it was not downloaded"]
    faults = [f"{path} is missing or has another size" for path in record.changed(place, kept)]
    if not faults:
        with Bar(console, place.name, sum(file.size_bytes for file in kept.files.values())) as bar:
            faults = [
                f"{path} has other content"
                for path, file in kept.files.items()
                if record.hash_file(place / path, bar.advance) != file.sha256
            ]
    present = {path.relative_to(place).as_posix() for path in record.files_below(place)}
    return faults + [f"{path} does not belong there" for path in sorted(present - set(kept.files))]


def _downloaded(models_dir: Path) -> list[ModelSpec]:
    return [spec for spec in registry.known(models_dir) if record.read(registry.folder(spec, models_dir))]


def _state(spec: ModelSpec, models_dir: Path) -> str:
    if spec.is_built_here:
        return "built on first use"
    return "on this machine" if registry.is_on_disk(spec, models_dir) else "not on this machine"


def _size(spec: ModelSpec) -> str:
    total = spec.size_bytes + sum(registry.find(part).size_bytes for part in spec.shared)
    return as_size(total) if spec.size_bytes else "-"


def _licence(spec: ModelSpec) -> str:
    parts = [f"{part} {registry.find(part).licence}" for part in spec.shared]
    return "; ".join([spec.licence, *(part for part in parts if part.split()[1] != spec.licence)])


if __name__ == "__main__":
    sys.exit(main())
