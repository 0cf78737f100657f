"""T12: both layouts of one checkpoint give the same samples; a key too few or too many is an error."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import init_empty_weights
from safetensors.torch import load_file, save_file

from inference.diffusion import original
from inference.diffusion.pipeline import MusicPipeline
from inference.engine import Engine, make_engine
from inference.errors import ModelLoadError
from inference.request import EngineOptions, GenerationRequest, ItemSpec
from tests.audio import a_tone, an_input
from tests.checkpoints import write_original

pytestmark = pytest.mark.inference

MODEL = "acestep-tiny-random"
ITEMS = (ItemSpec(prompt="calm piano", lyrics="la", seed=3), ItemSpec(prompt="rock", lyrics="", seed=4))


@pytest.fixture(scope="module")
def original_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_original(models_dir / MODEL, tmp_path_factory.mktemp("original") / "mine", shards=3)


@pytest.fixture(scope="module")
def engine(models_dir: Path, original_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Offers the tiny model, and the same weights in the original layout as `mine`."""
    own = tmp_path_factory.mktemp("models")
    shutil.copytree(models_dir / MODEL, own / MODEL)
    (own / "models.toml").write_text(f'[mine]\nfolder = "{original_dir}"\nfamily = "turbo"\nshift = 3.0\n')
    options = EngineOptions(models=(MODEL, "mine"), models_dir=str(own), device="cpu", max_loaded=2)
    return make_engine("", options)


@pytest.fixture
def broken(original_dir: Path, tmp_path: Path) -> Path:
    """A copy that a test may break; all weights in one file."""
    for part in ("vae", "Qwen3-Embedding-0.6B"):
        shutil.copytree(original_dir.parent / part, tmp_path / part)
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in ("config.json", "silence_latent.pt"):
        shutil.copy(original_dir / name, folder)
    state = {
        key: tensor
        for shard in original_dir.glob("*.safetensors")
        for key, tensor in load_file(shard).items()
    }
    save_file(state, folder / "model.safetensors")
    return folder


def load(folder: Path) -> MusicPipeline:
    return MusicPipeline.load(folder, device=torch.device("cpu"), dtype=torch.float32)


@pytest.mark.parametrize("task_type", ["text2music", "cover", "repaint"])
def test_t12_both_layouts_give_equal_samples(engine: Engine, tmp_path: Path, task_type: str) -> None:
    source = None if task_type == "text2music" else an_input(tmp_path / "source", a_tone(1.0))
    samples = []
    for model in (MODEL, "mine"):
        request = GenerationRequest(
            model=model,
            task_type=task_type,
            items=ITEMS,
            duration=1.0,
            source=source,
            repaint_start=0.3,
            repaint_end=0.7,
            scratch_dir=str(tmp_path),
        )
        computed = engine.compute(request, lambda stage, done, total: None, lambda: False)
        samples.append([wave.samples for wave in computed.waves])
    for ours, theirs in zip(*samples, strict=True):
        assert np.array_equal(ours, theirs)


def test_every_weight_is_equal_in_both_layouts(models_dir: Path, original_dir: Path) -> None:
    ours, theirs = load(models_dir / MODEL), load(original_dir)
    for name in ("transformer", "condition_encoder", "audio_tokenizer", "audio_token_detokenizer", "vae"):
        expected, found = getattr(ours, name).state_dict(), getattr(theirs, name).state_dict()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        assert not getattr(theirs, name).training


def edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    state = load_file(folder / "model.safetensors")
    edit(state)
    save_file(state, folder / "model.safetensors")


KEY = "decoder.layers.1.self_attn.q_proj.weight"


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda state: state.pop(KEY), r"missing key transformer\.layers\.1\.self_attn\.to_q\.weight"),
        (lambda state: state.pop("null_condition_emb"), r"missing key condition_encoder\.null_condition_emb"),
        (
            lambda state: state.update({"decoder.extra.weight": state[KEY].clone()}),
            r"unexpected key transformer\.extra\.weight",
        ),
        (lambda state: state.update({"lora.weight": state[KEY].clone()}), r"unexpected key lora\.weight"),
        (lambda state: state.update({KEY: state[KEY][:-1].clone()}), r"misshapen key transformer\.layers\.1"),
    ],
)
def test_t12_a_key_that_is_missing_unexpected_or_misshapen_is_named(
    broken: Path, edit: Callable[[dict[str, torch.Tensor]], object], complaint: str
) -> None:
    edit_weights(broken, edit)
    with pytest.raises(ModelLoadError, match=complaint):
        load(broken)


def test_a_missing_shard_is_a_missing_key(original_dir: Path, broken: Path) -> None:
    (broken / "model.safetensors").unlink()
    shutil.copy(next(original_dir.glob("model-00002*")), broken)
    with pytest.raises(ModelLoadError, match=r"missing key .* and \d+ more"):
        load(broken)


def test_a_pickle_that_is_more_than_a_tensor_is_refused(broken: Path) -> None:
    torch.save({"run": Path("/")}, broken / "silence_latent.pt")
    with pytest.raises(ModelLoadError, match="more than a tensor"):
        load(broken)


@pytest.mark.parametrize("name", ["config.json", "silence_latent.pt", "model.safetensors"])
def test_a_file_that_is_missing_or_cut_is_a_load_error(broken: Path, name: str) -> None:
    content = (broken / name).read_bytes()
    (broken / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelLoadError):
        load(broken)
    (broken / name).unlink()
    with pytest.raises(ModelLoadError):
        load(broken)


@pytest.mark.parametrize(
    ("own", "tensors", "parameters"),
    [
        ({}, 677, 2_393_872_518),
        (
            {
                "hidden_size": 2560,
                "intermediate_size": 9728,
                "num_hidden_layers": 32,
                "num_attention_heads": 32,
                "encoder_hidden_size": 2048,
                "encoder_intermediate_size": 6144,
                "encoder_num_attention_heads": 16,
                "encoder_num_key_value_heads": 8,
            },
            829,
            4_987_310_726,
        ),
    ],
    ids=["2B", "XL"],
)
def test_the_published_sizes_give_the_published_numbers(
    own: dict[str, int], tensors: int, parameters: int
) -> None:
    """677 tensors in a file of 4 787 825 604 bytes (bf16, 80 KB of header), and 4.99 B parameters of XL."""
    published = json.loads((Path(__file__).parent / "acestep-v15-config.json").read_text()) | own
    states = []
    for kind, sizes in original.modules_of(published).values():
        with init_empty_weights(include_buffers=False):
            states.append(kind(**sizes).state_dict())
    shapes = [tensor for state in states for key, tensor in state.items() if key != "silence_latent"]
    assert (len(shapes), sum(tensor.numel() for tensor in shapes)) == (tensors, parameters)
