"""The operator's own models: entries of models.toml."""

from pathlib import Path

import pytest

from inference.errors import ModelNotAvailable
from inference.models import registry


def write(models_dir: Path, text: str) -> None:
    (models_dir / "models.toml").write_text(text)


def test_a_folder_is_used_where_it_lies_and_its_family_tells_the_rest(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "fine-tuned"
    elsewhere.mkdir(parents=True)
    (elsewhere / "model_index.json").touch()
    write(tmp_path, f'[my-base]\nfolder = "{elsewhere}"\nfamily = "base"\n')
    spec = registry.require("my-base", tmp_path)
    assert (spec.kind, spec.layout, spec.family, spec.steps_max) == ("diffusion", "diffusers", "base", 200)
    assert (len(spec.tasks), spec.shift, spec.licence) == (6, None, "not stated")
    assert registry.folder(spec, tmp_path) == elsewhere
    assert registry.missing([spec], tmp_path) == []


def test_a_folder_in_the_original_layout_needs_its_parts_beside_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").touch()
    write(tmp_path, f'[mine]\nfolder = "{tmp_path / "mine"}"\nfamily = "turbo"\nshift = 3.0\n')
    spec = registry.find("mine", tmp_path)
    assert (spec.layout, spec.shared, spec.shift) == ("original", ("vae", "Qwen3-Embedding-0.6B"), 3.0)
    with pytest.raises(ModelNotAvailable, match=r"folder that models.toml names"):
        registry.require("mine", tmp_path)
    for part in spec.shared:
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").touch()
    assert registry.require("mine", tmp_path) == spec


def test_a_repository_of_the_hub_is_listed_with_what_the_operator_says(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        [their-sft]
        repo = "someone/their-sft"
        layout = "diffusers"
        family = "sft"
        tasks = ["text2music"]
        licence = "CC-BY-4.0"
        """,
    )
    spec = registry.find("their-sft", tmp_path)
    assert (spec.revision, spec.tasks, spec.licence) == (None, ("text2music",), "CC-BY-4.0")
    assert [missing.name for missing in registry.missing([spec], tmp_path)] == ["their-sft"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[acestep-v15-turbo]\nrepo = "a/b"', "entry acestep-v15-turbo: its name is taken"),
        ('["../up"]\nrepo = "a/b"', r"entry \.\./up: a name has letters"),
        ("[x]\nfamily = 'turbo'", "entry x: it needs either a folder or a repo"),
        ("[x]\nrepo = 'a/b'\nfolder = '/c'", "entry x: it needs either a folder or a repo"),
        ("[x]\nrepo = 'a/b'\nfamily = 'huge'\nlayout = 'original'", "entry x: 'huge' is missing or unknown"),
        ("[x]\nrepo = 'a/b'\nfamily = 'turbo'", "entry x: 'layout' is missing or unknown"),
        ("[x]\nrepo = 'a/b'\nfamily = 'turbo'\nlayout = 'gguf'", "entry x: Invalid enum value 'gguf'"),
        ("[x]\nrepo = 7\nfamily = 'turbo'\nlayout = 'original'", "entry x: Expected `str | null`, got `int`"),
        ("no table", r"models.toml cannot be read"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ModelNotAvailable, match=complaint):
        registry.find("acestep-tiny-random", tmp_path)
