import re
from pathlib import Path

import pytest

from inference.__main__ import list_models
from inference.errors import ModelLoadError, ModelNotAvailable
from inference.models import record, registry
from inference.models.record import FileRecord, Record


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


def test_missing_weights_name_the_command_and_no_path(tmp_path: Path) -> None:
    with pytest.raises(ModelNotAvailable) as missing:
        registry.require("acestep-v15-turbo", tmp_path)
    assert "acestep-service models download acestep-v15-turbo" in str(missing.value)
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
    words = ["acestep-v15-base", "on", "this", "machine", "6.3", "GB"]
    assert base.split() == [*words, "MIT;", "Qwen3-Embedding-0.6B", "Apache-2.0"]
    turbo = next(line for line in lines if line.startswith("acestep-v15-turbo "))
    assert "not on this machine" in turbo


def test_a_download_has_the_parts_of_several_models_once(tmp_path: Path) -> None:
    wanted = [registry.find(name) for name in ("acestep-v15-turbo", "acestep-v15-sft", "acestep-tiny-random")]
    names = [spec.name for spec in registry.missing(wanted, tmp_path)]
    assert names == ["acestep-v15-turbo", "acestep-v15-sft", "vae", "Qwen3-Embedding-0.6B"]


def test_files_of_another_pinned_revision_count_as_missing(tmp_path: Path) -> None:
    spec = registry.find("acestep-5Hz-lm-0.6B")
    folder = registry.folder(spec, tmp_path)
    folder.mkdir()
    for revision, there in (("0" * 40, False), (spec.revision, True), (None, True)):
        record.write(folder, Record(source="huggingface", revision=revision, files={}))
        assert registry.is_on_disk(spec, tmp_path) is there


def test_a_file_that_changed_its_size_is_told_before_it_is_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "acestep-5Hz-lm-0.6B"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"half")
    files = {"model.safetensors": FileRecord(size_bytes=8, sha256="0" * 64)}
    record.write(folder, Record(source="huggingface", files=files))
    with pytest.raises(ModelLoadError, match=r"model.safetensors of acestep-5Hz-lm-0.6B is not as it was"):
        registry.require(folder.name, tmp_path)


@pytest.mark.parametrize(
    ("layout", "path", "wanted"),
    [
        ("original", "model-00001-of-00004.safetensors", True),
        ("original", "silence_latent.pt", True),
        ("original", "optimizer.pt", False),
        ("original", "modeling_acestep_v15_base.py", False),
        ("original", "vae/model.safetensors", False),
        ("diffusers", "transformer/diffusion_pytorch_model.safetensors", True),
        ("diffusers", "transformer/diffusion_pytorch_model.bin", False),
        ("diffusers", "a/b/config.json", False),
        ("plain", "chat_template.jinja", True),
        ("plain", "checkpoint/model.safetensors", False),
    ],
)
def test_only_weights_and_texts_of_the_layout_are_brought(layout: str, path: str, wanted: bool) -> None:
    by_layout = {"original": "acestep-v15-base", "diffusers": "acestep-v15-xl-base", "plain": "vae"}
    assert registry.find(by_layout[layout]).wants(path) is wanted
