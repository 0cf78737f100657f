import msgspec
import pytest

from inference.request import (
    EngineOptions,
    GeneratedClip,
    GenerationRequest,
    GenerationResult,
    InputAudio,
    ItemSpec,
    ModelInfo,
)
from workers import protocol
from workers.child_process import child_environment

ITEM = ItemSpec(
    prompt='líne\nbreak "quoted" \u2028 <|endoftext|>',
    lyrics="[verse]\n詩\n",
    seed=2**32 - 1,
    audio_codes=(0, 63_999),
)
REQUEST = GenerationRequest(
    model="m",
    items=(ITEM, ITEM),
    duration=None,
    timesteps=(1.0, 0.3),
    source=InputAudio(path="/scratch/source.wav", sha256="ab"),
    track_classes=("drums", "bass"),
    scratch_dir="/scratch",
)
CLIP = GeneratedClip(
    index=0,
    path="/scratch/0.mp3",
    format="mp3",
    size_bytes=1,
    sha256="cd",
    sample_rate=48_000,
    channels=2,
    duration=10.04,
    seed=2**32 - 1,
    peak=0.5,
    silent=False,
)
RESULT = GenerationResult(
    clips=(CLIP,), effective={"steps": 8}, audit={"files": {"a": "b"}}, seconds={"x": 0.1}
)
SECRETS = (
    "DATABASE_URL",
    "REDIS_URL",
    "S3_ENDPOINT",
    "S3_SECRET_KEY",
    "ACESTEP_API_KEY",
    "ACESTEP_KEY_PEPPER",
    "PGPASSWORD",
)
COMMANDS: list[protocol.Command] = [
    protocol.Start(engine="", options=EngineOptions(models=("m",), models_dir="/models", threads=2)),
    protocol.Job(id="1", request=REQUEST),
    protocol.Cancel(id="1"),
    protocol.Quit(),
]
REPORTS: list[protocol.Report] = [
    protocol.Ready(
        models=(ModelInfo(name="m", category="turbo", tasks=("cover",)),),
        loaded=("m",),
        seconds={"engine": 1.0},
    ),
    protocol.Loaded(id="1", model="n", loaded=("m", "n"), seconds=2.5),
    protocol.Progress(id="1", stage="diffusing", done=1, total=8),
    protocol.Computed(id="1"),
    protocol.Done(id="1", result=RESULT),
    protocol.Failed(id="1", code="internal", message="m", trace="t\nt", retryable=True, poisons=False),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda message: type(message).__name__)
def test_a_command_survives_the_pipe_as_one_line(command: protocol.Command) -> None:
    line = protocol.encode(command)
    assert line.count(b"\n") == 1
    assert protocol.decode_command(line) == command


@pytest.mark.parametrize("report", REPORTS, ids=lambda message: type(message).__name__)
def test_a_report_survives_the_pipe_as_one_line(report: protocol.Report) -> None:
    line = protocol.encode(report)
    assert line.count(b"\n") == 1
    assert protocol.decode_report(line) == report


def test_a_report_is_not_accepted_as_a_command() -> None:
    with pytest.raises(msgspec.ValidationError):
        protocol.decode_command(protocol.encode(protocol.Computed(id="1")))


def test_the_child_inherits_no_address_and_no_secret() -> None:
    secrets = dict.fromkeys(SECRETS, "x")
    environment = child_environment(secrets | {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1"}, {"ADDED": "y"})
    assert not secrets.keys() & environment.keys()
    assert environment["PATH"] == "/bin"
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"
    assert (environment["ADDED"], environment["HF_HUB_OFFLINE"]) == ("y", "1")
    assert environment["DO_NOT_TRACK"] == "1"
