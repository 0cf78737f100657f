import re
from pathlib import Path

import pytest

from inference.__main__ import list_models
from inference.errors import ModelNotAvailable
from inference.models import registry


def test_every_revision_is_a_full_commit() -> None:
    pinned = [spec.revision for spec in registry.known() if spec.revision is not None]
    assert pinned
    assert all(re.fullmatch("[0-9a-f]{40}", revision) for revision in pinned)


def test_every_hash_is_a_sha256_and_the_one_pickled_file_has_one_where_weights_do() -> None:
    assert all(
        re.fullmatch("[0-9a-f]{64}", value) for spec in registry.known() for value in spec.sha256.values()
    )
    hashed = [spec for spec in registry.known() if spec.layout == "original" and spec.sha256]
    assert [set(spec.sha256) for spec in hashed] == [{"model.safetensors", "silence_latent.pt"}] * len(hashed)


def test_every_part_that_a_model_needs_is_in_the_table() -> None:
    parts = {spec.name for spec in registry.known() if spec.kind == "part"}
    assert {part for spec in registry.known() for part in spec.shared} == parts


def test_only_base_models_do_all_six_tasks() -> None:
    diffusion = [spec for spec in registry.known() if spec.kind == "diffusion"]
    assert {len(spec.tasks) for spec in diffusion if spec.family == "base"} == {6}
    assert max(len(spec.tasks) for spec in diffusion if spec.family != "base") == 3


def test_language_models_are_found_by_name() -> None:
    default = registry.find("acestep-5Hz-lm-0.6B")
    assert (default.kind, default.layout, default.is_built_here) == ("language", "plain", False)
    beside_turbo = registry.find("acestep-5Hz-lm-1.7B")
    assert (beside_turbo.repo, beside_turbo.subfolder) == ("ACE-Step/Ace-Step1.5", beside_turbo.name)
    assert registry.find("acestep-5Hz-lm-4B").size_bytes > 8e9
    assert registry.find("acestep-5Hz-lm-tiny-random").is_built_here


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelNotAvailable, match="acestep-tiny-random"):
        registry.find("acestep-v9")


def test_missing_weights_say_what_to_use_instead_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailable) as missing:
        registry.require("acestep-v15-turbo", tmp_path)
    assert "use acestep-tiny-random" in str(missing.value)
    assert str(tmp_path) not in str(missing.value)


def test_a_folder_without_the_marker_does_not_count(tmp_path: Path) -> None:
    spec = registry.find("acestep-v15-xl-turbo")
    registry.folder(spec, tmp_path).mkdir()
    assert not registry.is_on_disk(spec, tmp_path)
    (registry.folder(spec, tmp_path) / registry.COMPLETE_MARKER).touch()
    assert registry.require(spec.name, tmp_path) == spec


def test_list_shows_state_and_licence(tmp_path: Path) -> None:
    for name in ("acestep-v15-base", "vae", "Qwen3-Embedding-0.6B"):
        (tmp_path / name).mkdir()
        (tmp_path / name / registry.COMPLETE_MARKER).touch()
    lines = list_models(tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == [
        spec.name for spec in registry.known() if spec.kind != "part"
    ]
    assert "built on first use" in lines[0]
    base = next(line for line in lines if line.startswith("acestep-v15-base "))
    assert base.split() == ["acestep-v15-base", "on", "this", "machine", "MIT"]
