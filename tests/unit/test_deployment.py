"""The files that start the service in containers, read as the tools that run them read them.

No container engine is needed: schema, linter, and the facts that must agree with the service itself.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from app.cli.service import main
from app.settings import FROM_FILE, Settings

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = [
    manifest
    for manifest in yaml.safe_load_all((ROOT / "docs/kubernetes/acestep.yaml").read_text())
    if not manifest["apiVersion"].startswith("keda.sh/")  # a definition of its own, in no public schema
]
OF_THE_SERVERS = ("POSTGRES_", "MINIO_")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return loaded


def run(tool: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).parent / tool), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_file_fits_its_schema() -> None:
    run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")


def test_dockerfile_passes_the_linter() -> None:
    run("hadolint", "Dockerfile")


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_manifests_fit_their_schema(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_every_variable_is_one_of_the_service(compose: dict[str, Any]) -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    known |= {f"{name}_FILE" for name in FROM_FILE}
    named = {name for service in compose["services"].values() for name in service.get("environment", {})}
    for manifest in MANIFESTS:
        named |= set(manifest.get("data", {})) | set(manifest.get("stringData", {}))
    assert {name for name in named if not name.startswith(OF_THE_SERVERS)} <= known


def test_every_command_is_one_of_the_command_line(compose: dict[str, Any]) -> None:
    ours = {name: each for name, each in compose["services"].items() if "build" in each}
    assert set(ours) == {"migrate", "api", "worker-cpu", "worker-gpu", "models"}
    for service in ours.values():
        assert service["command"][0] in main.commands


def test_a_worker_may_end_its_task_before_it_is_killed(compose: dict[str, Any]) -> None:
    for name in ("worker-cpu", "worker-gpu"):
        worker = compose["services"][name]
        grace_s = float(worker["environment"]["ACESTEP_SHUTDOWN_GRACE"])
        assert float(worker["stop_grace_period"].rstrip("s")) > grace_s
    (pod,) = [each["spec"]["template"]["spec"] for each in MANIFESTS if "worker" in each["metadata"]["name"]]
    (config,) = [each["data"] for each in MANIFESTS if each["kind"] == "ConfigMap"]
    assert pod["terminationGracePeriodSeconds"] > float(config["ACESTEP_SHUTDOWN_GRACE"])


def test_secrets_are_made_once_and_are_all_that_compose_names(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    first = CliRunner().invoke(main, ["secrets", str(folder)])
    written = {path.name: path.read_text() for path in folder.iterdir()}
    again = CliRunner().invoke(main, ["secrets", str(folder)])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert {path.name: path.read_text() for path in folder.iterdir()} == written
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} == set(written)
    assert written["postgres_password"] in written["database_url"]
    assert len(written["key_pepper"]) >= 32
    assert folder.stat().st_mode & 0o777 == 0o700


def test_secrets_are_where_they_are_needed_and_nothing_but_the_api_is_published(
    compose: dict[str, Any],
) -> None:
    def holders(secret: str) -> set[str]:
        return {name for name, each in compose["services"].items() if secret in each.get("secrets", ())}

    assert holders("api_key") == {"api"}
    assert holders("key_pepper") == {"api", "worker-cpu", "worker-gpu"}, "workers sign webhooks"
    published = {name for name, each in compose["services"].items() if "ports" in each}
    assert published == {"api"}
    assert compose["services"]["api"]["ports"][0].startswith("127.0.0.1:")
