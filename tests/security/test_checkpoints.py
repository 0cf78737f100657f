"""S14: a model's folder gives data; nothing that lies in it is ever run."""

import json
import os
import pickle
import shutil
import tarfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch

from inference import tiny
from inference.diffusion.pipeline import MusicPipeline
from inference.errors import ModelLoadError
from inference.language_model.pt import PtBackend
from inference.language_model.tokens import Tokens
from tests.checkpoints import write_original
from tests.security.scale import chance, share, tally

pytestmark = pytest.mark.inference

CPU = torch.device("cpu")
CODE = "from pathlib import Path\nPath({canary!r}).write_text('executed')\nclass Evil: pass\n"
AUTO_MAP = {
    name: f"modeling_evil.{kind}"
    for name, kind in (
        ("AutoConfig", "Evil"),
        ("AutoModel", "Evil"),
        ("AutoModelForCausalLM", "Evil"),
        ("AutoTokenizer", "Evil"),
    )
}


class Payload:
    """Writes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = str(canary)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_write, (self._canary,))


def _write(canary: str) -> None:
    Path(canary).write_text("executed")


def as_tar(canary: Path) -> bytes:
    """The oldest form of torch's files."""
    file = BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            content = pickle.dumps(Payload(canary), protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return file.getvalue()


def as_torch(canary: Path, **options: Any) -> bytes:
    file = BytesIO()
    torch.save({"weight": Payload(canary)}, file, **options)
    return file.getvalue()


FORMS: dict[str, Callable[[Path], bytes]] = {
    "pickle": lambda canary: pickle.dumps(Payload(canary)),
    "text pickle": lambda canary: pickle.dumps(Payload(canary), protocol=0),
    "zip": as_torch,
    "before zip": lambda canary: as_torch(canary, _use_new_zipfile_serialization=False),
    "tar": as_tar,
}


@dataclass(frozen=True)
class Layout:
    """One way in which a model lies on disk: its weights, its configurations, and what loads it."""

    folder: Path
    weights: tuple[str, ...]
    configurations: tuple[str, ...]
    load: Callable[[Path], object]


def load_pipeline(folder: Path) -> object:
    return MusicPipeline.load(folder, device=CPU, dtype=torch.float32)


def load_language_model(folder: Path) -> object:
    return PtBackend(folder, Tokens(folder), device=CPU)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Layout]:
    models = tmp_path_factory.mktemp("models")
    diffusers = tiny.build(models / "diffusers")
    original = write_original(diffusers, models / "original" / "mine")
    language = tiny.build_language_model(models / "language")
    weights = tuple(str(path.relative_to(diffusers)) for path in sorted(diffusers.rglob("*.safetensors")))
    parts = ("vae/diffusion_pytorch_model.safetensors", "Qwen3-Embedding-0.6B/model.safetensors")
    return {
        "diffusers": Layout(
            diffusers, weights, ("text_encoder/config.json", "tokenizer/tokenizer_config.json"), load_pipeline
        ),
        "original": Layout(
            original.parent,
            ("mine/model.safetensors", *parts),
            (
                "mine/config.json",
                "Qwen3-Embedding-0.6B/config.json",
                "Qwen3-Embedding-0.6B/tokenizer_config.json",
            ),
            lambda folder: load_pipeline(folder / "mine"),
        ),
        "language": Layout(
            language, ("model.safetensors",), ("config.json", "tokenizer_config.json"), load_language_model
        ),
    }


Spoil = Callable[[Path, Path], None]
"""Changes a copy of a model's folder so that it would write the canary."""


def spoilt(layout: Layout) -> Iterator[tuple[str, Spoil, bool]]:
    """Ways to bring code in; the last part tells whether the model may still be loaded."""
    for weights in layout.weights:
        for form in FORMS:
            for ending in (".bin", ".pt", ".ckpt", ".pkl", ".safetensors"):
                yield f"{weights} as {form} {ending}", replaced(weights, form, ending), False
            yield f"{form} beside {weights}", beside(weights, form), True
    for configuration in layout.configurations:
        yield f"auto_map in {configuration}", mapped(configuration), True
    yield "pipeline.py", with_pipeline, True
    if (layout.folder / "model_index.json").is_file():
        for component in ("transformer", "vae", "text_encoder", "scheduler"):
            yield f"own class of {component}", own_class(component), False
    for file in layout.folder.rglob("silence_latent.pt"):
        for form in FORMS:
            yield f"silence as {form}", silence(str(file.relative_to(layout.folder)), form), False


def replaced(weights: str, form: str, ending: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        path = folder / weights
        path.unlink()
        stem = path.name.removesuffix(".safetensors").replace("model", "pytorch_model")
        stem = path.stem if ending == ".safetensors" or "diffusion" in stem else stem
        path.with_name(stem + ending).write_bytes(FORMS[form](canary))

    return spoil


def beside(weights: str, form: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        for name in (
            "pytorch_model.bin",
            "diffusion_pytorch_model.bin",
            "model.pt",
            "optimizer.pt",
            "training_args.bin",
        ):
            (folder / weights).with_name(name).write_bytes(FORMS[form](canary))

    return spoil


def mapped(configuration: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        change_json(folder / configuration, {"auto_map": AUTO_MAP, "custom_pipeline": "modeling_evil"})
        write_code((folder / configuration).parent, canary)

    return spoil


def with_pipeline(folder: Path, canary: Path) -> None:
    for name in ("pipeline.py", "__init__.py", "custom_generate/generate.py", "sitecustomize.py"):
        write_code(folder, canary, name)


def own_class(component: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        change_json(folder / "model_index.json", {component: ["modeling_evil", "Evil"]})
        for place in (folder, folder / component):
            write_code(place, canary)

    return spoil


def silence(name: str, form: str) -> Spoil:
    def spoil(folder: Path, canary: Path) -> None:
        (folder / name).unlink()
        (folder / name).write_bytes(FORMS[form](canary))

    return spoil


def write_code(folder: Path, canary: Path, name: str = "modeling_evil.py") -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_text(CODE.format(canary=str(canary)))


def change_json(path: Path, change: dict[str, Any]) -> None:
    content = json.loads(path.read_text()) | change
    path.unlink()  # it is a link to that of all copies
    path.write_text(json.dumps(content))


def test_the_payloads_work(tmp_path: Path) -> None:
    """Else a canary that is not written would say nothing."""
    for form in ("pickle", "text pickle", "zip", "before zip"):
        canary = tmp_path / form
        (tmp_path / "x.pt").write_bytes(FORMS[form](canary))
        with suppress(RuntimeError):  # it finds no tensors, after it has run what was there
            torch.load(tmp_path / "x.pt", weights_only=False)
        assert canary.exists(), form


@pytest.mark.parametrize("name", ["diffusers", "original", "language"])
def test_s14_nothing_of_a_models_folder_is_run(layouts: dict[str, Layout], name: str, tmp_path: Path) -> None:
    layout = layouts[name]
    every = list(spoilt(layout))
    random = chance(f"S14 {name}")
    code = [case for case in every if " as " not in case[0] and "beside" not in case[0]]
    pickles = [case for case in every if case not in code]
    chosen = random.sample(code, min(len(code), share(100, least=3)))
    chosen += random.sample(pickles, share(20, least=3))
    with tally("S14", least=6) as counted, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layout.load(layout.folder)
        for number, (what, spoil, may_load) in enumerate(chosen):
            folder, canary = tmp_path / f"{number}", tmp_path / f"{number}.canary"
            shutil.copytree(layout.folder, folder, copy_function=os.link)
            spoil(folder, canary)
            try:
                layout.load(folder)
                counted.check(may_load and not canary.exists(), (what, "loaded"))
            except ModelLoadError as error:
                counted.check(not may_load and not canary.exists(), (what, str(error)))
            shutil.rmtree(folder)
