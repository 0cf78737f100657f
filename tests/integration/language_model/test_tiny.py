from hashlib import sha256
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference import tiny

pytestmark = pytest.mark.inference


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_two_builds_have_equal_files_and_another_seed_other_weights(tmp_path: Path) -> None:
    first = hashes(tiny.build_language_model(tmp_path / "first"))
    second = hashes(tiny.build_language_model(tmp_path / "second"))
    other = hashes(tiny.build_language_model(tmp_path / "other", seed=1))
    assert first == second
    assert {name for name in first if first[name] != other[name]} == {"model.safetensors", ".complete"}


def test_it_is_small_and_real(model_folder: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert (type(model).__name__, model.num_parameters()) == ("Qwen3ForCausalLM", 50_624)
    assert model.config.vocab_size - len(tokenizer) < 8
    assert tokenizer.convert_tokens_to_ids("<|audio_code_639|>") == len(tokenizer) - 1


@pytest.mark.parametrize(
    "text", ["<think>\nbpm: 120\n</think>\n\n<|im_end|>\n", "naïve 夜 🎵\u2028", "<|audio_code_7|>"]
)
def test_its_tokenizer_loses_nothing(model_folder: Path, text: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=False) == text
