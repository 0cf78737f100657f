"""Lengths in latent frames, 25 a second."""

import math

import pytest

from inference.diffusion.call import latent_frames, whole_window


@pytest.mark.parametrize(
    ("duration_s", "frames"), [(1.0, 25), (1.01, 26), (16.44, 411), (0.28, 7), (600.0, 15_000)]
)
def test_a_length_becomes_the_next_full_frame(duration_s: float, frames: int) -> None:
    assert latent_frames(duration_s) == frames


# 1.16 x 25 is 28.999… in floating point; the last frame of 1.31 s is filled to three quarters.
@pytest.mark.parametrize(
    ("window", "frames"),
    [((0.0, 1.0), (0, 25)), ((1.16, 2.0), (29, 50)), ((0.41, 0.9), (10, 23)), ((0.4, 1.31), (10, 33))],
)
def test_a_window_reaches_the_library_as_the_frames_it_touches(
    window: tuple[float, float], frames: tuple[int, int]
) -> None:
    start_s, end_s = whole_window(window)
    assert start_s is not None
    assert end_s is not None
    assert (math.floor(start_s * 25), math.floor(end_s * 25)) == frames


def test_no_window_is_none() -> None:
    assert whole_window(None) == (None, None)
