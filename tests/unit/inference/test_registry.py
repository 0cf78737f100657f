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


def test_only_base_models_do_all_six_tasks() -> None:
    assert {len(spec.tasks) for spec in registry.known() if spec.family == "base"} == {6}
    assert {len(spec.tasks) for spec in registry.known() if spec.family != "base"} == {3}


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
    (tmp_path / "acestep-v15-base").mkdir()
    (tmp_path / "acestep-v15-base" / registry.COMPLETE_MARKER).touch()
    lines = list_models(tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == [spec.name for spec in registry.known()]
    assert "built on first use" in lines[0]
    base = next(line for line in lines if line.startswith("acestep-v15-base "))
    assert base.split() == ["acestep-v15-base", "on", "this", "machine", "MIT"]
