"""Pick the object store from plain values: S3 where an endpoint is given, else a local folder."""

from pathlib import Path
from urllib.parse import urlsplit

from app.domain.ports import ObjectStore
from app.storage.folder import FolderStore
from app.storage.s3 import S3Store


def choose_store(
    *,
    folder: Path,
    endpoint: str = "",
    bucket: str = "",
    access_key: str = "",
    secret_key: str = "",
    region: str = "",
    secure: bool = True,
) -> ObjectStore:
    """Build the store.

    Args:
        endpoint: `host:port`, or a URL whose scheme then decides instead of `secure`; empty = local folder.

    Raises:
        ValueError: an endpoint without its other values; the message has their names.
    """
    if not endpoint:
        return FolderStore(folder)
    needed = {"S3_BUCKET": bucket, "S3_ACCESS_KEY": access_key, "S3_SECRET_KEY": secret_key}
    if missing := [name for name, value in needed.items() if not value]:
        raise ValueError(f"S3_ENDPOINT is set, so these must be too: {', '.join(missing)}")
    if "://" in endpoint:
        parts = urlsplit(endpoint)
        secure, endpoint = parts.scheme == "https", parts.netloc
    return S3Store(
        endpoint=endpoint,
        bucket=bucket,
        access_key=access_key,
        secret_key=secret_key,
        region=region or None,
        secure=secure,
    )
