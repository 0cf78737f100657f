"""T13 of the tests of the diffusion engine, and the edges of the window."""

import numpy as np
import pytest

from inference.diffusion.conditioning import Conditioning
from tests.audio import a_clip_of, a_tone

SOURCE = a_clip_of(a_tone(1.0))
MADE = np.full((2, 26 * 1920), 0.25, dtype=np.float32)


def repainted(start_s: float, end_s: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    conditioning = Conditioning(task_type="repaint", source=SOURCE, window=(start_s, end_s), keep_source=True)
    return conditioning.finish(MADE)


def test_outside_the_window_the_source_is_kept_to_the_bit() -> None:
    result = repainted(0.2, 0.6)
    assert result.shape == (2, 48_000)
    assert np.array_equal(result[:, :9_600], SOURCE.samples[:, :9_600])
    assert np.array_equal(result[:, 28_800:], SOURCE.samples[:, 28_800:])
    assert np.allclose(result[:, 12_000:26_400], 0.25)


def test_the_edges_fade_with_equal_power_inside_the_window() -> None:
    loud = np.ones((2, 48_000), dtype=np.float32)
    conditioning = Conditioning(
        task_type="repaint", source=a_clip_of(loud), window=(0.2, 0.6), keep_source=True
    )
    made_share = conditioning.finish(np.zeros_like(MADE))[0]  # cosine of the angle
    source_share = conditioning.finish(np.ones((2, 48_000), dtype=np.float32))[0] - made_share
    assert np.allclose(made_share**2 + source_share**2, 1.0, atol=1e-6)
    assert np.all(np.diff(made_share[9_600:12_000]) < 0.0)
    assert np.all(np.diff(made_share[26_400:28_800]) > 0.0)


@pytest.mark.parametrize(("start_s", "end_s", "kept"), [(0.0, 0.5, "end"), (0.5, 1.0, "start")])
def test_there_is_no_fade_at_the_ends_of_the_source(start_s: float, end_s: float, kept: str) -> None:
    result = repainted(start_s, end_s)
    edge = result[:, 0] if kept == "end" else result[:, -1]
    assert np.allclose(edge, 0.25)


def test_a_window_shorter_than_its_fades_still_works() -> None:
    result = repainted(0.5, 0.5001)
    assert np.isfinite(result).all()
    assert np.array_equal(result[:, :24_000], SOURCE.samples[:, :24_000])


def test_the_source_is_left_to_the_model_where_nobody_wants_it_kept() -> None:
    for task_type in ("repaint", "lego"):
        conditioning = Conditioning(task_type=task_type, source=SOURCE, window=(0.2, 0.6))
        assert np.array_equal(conditioning.finish(MADE), MADE[:, :48_000])


def test_a_cover_is_cut_to_the_source_and_text2music_is_left_alone() -> None:
    cover = Conditioning(task_type="cover", source=SOURCE).finish(MADE)
    assert np.array_equal(cover, MADE[:, :48_000])
    assert Conditioning().finish(MADE) is MADE
