"""What is chosen for which machine, without any accelerator."""

import pytest
import torch

from inference.diffusion.placement import FLASH, Machine, choose_placement
from inference.request import EngineOptions

pytestmark = pytest.mark.inference

OPTIONS = {"models": ("acestep-tiny-random",), "models_dir": "/unused"}
CPU = Machine(device=torch.device("cpu"))
MPS = Machine(device=torch.device("mps"))


def a_card(memory_gb: float, *, has_flash: bool = False) -> Machine:
    return Machine(device=torch.device("cuda"), memory_bytes=int(memory_gb * 1e9), has_flash=has_flash)


@pytest.mark.parametrize(
    ("machine", "dtype"), [(CPU, torch.float32), (MPS, torch.float32), (a_card(24), torch.bfloat16)]
)
def test_precision_follows_the_device(machine: Machine, dtype: torch.dtype) -> None:
    placement = choose_placement(EngineOptions(**OPTIONS), machine)
    assert (placement.device, placement.dtype) == (machine.device, dtype)


@pytest.mark.parametrize(
    ("machine", "has_room"), [(CPU, False), (MPS, False), (a_card(11.9), False), (a_card(12), True)]
)
def test_a_card_of_12_gb_has_room_for_a_language_model(machine: Machine, has_room: bool) -> None:
    assert machine.has_room_for_language is has_room


@pytest.mark.parametrize(
    ("machine", "offload", "offload_transformer", "chosen"),
    [
        (a_card(15.9), None, False, "models"),
        (a_card(16.0), None, False, "none"),
        (a_card(80), None, False, "none"),
        (a_card(8), False, False, "none"),
        (a_card(80), True, False, "models"),
        (a_card(80), None, True, "transformer"),
        (a_card(8), False, True, "transformer"),
        (a_card(8), None, True, "models"),
        (a_card(80), True, True, "models"),
        (MPS, None, False, "none"),
        (MPS, True, False, "models"),
        (CPU, True, True, "none"),
    ],
)
def test_offload_is_on_for_small_cards_unless_the_operator_says_otherwise(
    machine: Machine, offload: bool | None, offload_transformer: bool, chosen: str
) -> None:
    options = EngineOptions(**OPTIONS, offload=offload, offload_transformer=offload_transformer)
    assert choose_placement(options, machine).offload == chosen


@pytest.mark.parametrize(
    ("machine", "wanted", "attention", "told"),
    [
        (a_card(24, has_flash=True), True, FLASH, False),
        (a_card(24, has_flash=True), False, "native", False),
        (a_card(24), True, "native", True),
        (a_card(24), False, "native", False),
        (Machine(device=torch.device("cpu"), has_flash=True), True, "native", False),
    ],
)
def test_flash_attention_needs_a_card_and_the_package(
    machine: Machine, wanted: bool, attention: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    placement = choose_placement(EngineOptions(**OPTIONS, flash_attention=wanted), machine)
    assert placement.attention == attention
    assert ("flash_attn is not installed" in caplog.text) is told


def test_compiling_is_off_unless_wanted() -> None:
    assert not choose_placement(EngineOptions(**OPTIONS), CPU).compiled
    assert choose_placement(EngineOptions(**OPTIONS, compile_model=True), CPU).compiled
