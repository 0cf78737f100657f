import hashlib
from pathlib import Path

import pytest

np = pytest.importorskip("numpy")
soundfile = pytest.importorskip("soundfile")

from inference.audio.encode import FORMATS, encode  # noqa: E402
from inference.audio.wave import TARGET_PEAK, Wave, level  # noqa: E402
from inference.errors import InvalidRequest, NumericalError  # noqa: E402

pytestmark = pytest.mark.inference
SECONDS = 2.5


def a_wave(seconds: float = SECONDS) -> Wave:
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, (2, round(48_000 * seconds))).astype(np.float32)
    return level(noise, seed=5)


@pytest.mark.parametrize("audio_format", sorted(FORMATS))
def test_round_trip_keeps_length_rate_and_channels(tmp_path: Path, audio_format: str) -> None:
    clip = encode(a_wave(), index=3, audio_format=audio_format, scratch_dir=tmp_path)
    samples, rate = soundfile.read(clip.path)
    assert samples.shape[1] == clip.channels == 2
    assert rate == clip.sample_rate == 48_000
    assert abs(len(samples) / rate - SECONDS) < 0.001
    assert clip.duration == SECONDS
    assert Path(clip.path).name == f"3.{audio_format}"


@pytest.mark.parametrize("seconds", [0.04, 1.0, 10.04])
def test_mp3_decodes_to_the_exact_length_within_50_ms(tmp_path: Path, seconds: float) -> None:
    clip = encode(a_wave(seconds), index=0, audio_format="mp3", scratch_dir=tmp_path)
    assert abs(soundfile.info(clip.path).duration - seconds) < 0.05


@pytest.mark.parametrize("audio_format", ["wav", "flac"])
def test_lossless_formats_keep_the_samples(tmp_path: Path, audio_format: str) -> None:
    wave = a_wave()
    clip = encode(wave, index=0, audio_format=audio_format, scratch_dir=tmp_path)
    samples, _ = soundfile.read(clip.path, dtype="float32")
    assert np.abs(samples.T - wave.samples).max() < 1.0 / 32_000


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "flac"])
def test_encoding_again_gives_the_same_bytes_and_hash(tmp_path: Path, audio_format: str) -> None:
    first = encode(a_wave(), index=0, audio_format=audio_format, scratch_dir=tmp_path)
    second = encode(a_wave(), index=1, audio_format=audio_format, scratch_dir=tmp_path)
    content = Path(first.path).read_bytes()
    assert content == Path(second.path).read_bytes()
    assert (first.sha256, first.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_opus_made_again_differs_in_its_serial_number_only(tmp_path: Path) -> None:
    clips = [encode(a_wave(), index=i, audio_format="opus", scratch_dir=tmp_path) for i in range(2)]
    first, second = (soundfile.read(clip.path)[0] for clip in clips)
    assert np.array_equal(first, second)
    assert clips[0].size_bytes == clips[1].size_bytes
    assert clips[0].sha256 != clips[1].sha256


def test_only_finished_files_are_left(tmp_path: Path) -> None:
    encode(a_wave(), index=0, audio_format="flac", scratch_dir=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["0.flac"]


def test_a_format_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="audio_format"):
        encode(a_wave(), index=0, audio_format="aac", scratch_dir=tmp_path)


def test_loud_and_quiet_clips_get_the_same_peak() -> None:
    for scale in (0.01, 3.0):
        wave = level(np.full((2, 10), scale, dtype=np.float32), seed=0)
        assert wave.peak == pytest.approx(scale)
        assert float(np.abs(wave.samples).max()) == pytest.approx(TARGET_PEAK, abs=1e-6)
        assert not wave.silent


def test_near_silence_is_flagged_and_not_amplified() -> None:
    quiet = np.full((2, 10), 5e-5, dtype=np.float32)
    wave = level(quiet, seed=0)
    assert wave.silent
    assert np.array_equal(wave.samples, quiet)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_an_error(value: float) -> None:
    samples = np.zeros((2, 10), dtype=np.float32)
    samples[1, 3] = value
    with pytest.raises(NumericalError):
        level(samples, seed=0)
