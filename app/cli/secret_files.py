"""`acestep-service secrets FOLDER`: the secret files that compose.yaml names, made once."""

import secrets
from pathlib import Path

import click


@click.command("secrets")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default=Path(".secrets"))
def write_secrets(folder: Path) -> None:
    """Write the secret files for compose.yaml; what is there stays as it is."""
    folder.mkdir(mode=0o700, exist_ok=True)
    passwords = {
        name: _kept(folder / name, secrets.token_urlsafe(32))
        for name in ("postgres_password", "redis_password", "s3_secret_key", "key_pepper", "api_key")
    }
    _kept(folder / "s3_access_key", "acestep")
    _kept(folder / "database_url", f"postgresql://acestep:{passwords['postgres_password']}@postgres/acestep")
    _kept(folder / "redis_url", f"redis://:{passwords['redis_password']}@valkey/0")
    click.echo(f"secrets are in {folder}; the key that opens everything: {folder / 'api_key'}")


def _kept(path: Path, value: str) -> str:
    """Write the file unless it exists, and return what it holds.

    Containers read these files as another user, so they are readable; the folder above them is not.
    """
    if not path.exists():
        path.write_text(value)
        path.chmod(0o644)
    return path.read_text()
