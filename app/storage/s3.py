"""Object store in one S3 bucket, by the `minio` client, which is synchronous and so runs in threads."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TypeVar

from minio import Minio
from minio.datatypes import Object
from minio.error import MinioException, S3Error
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from app.domain.errors import ConflictError, NotFoundError, StorageRefusedError, StorageUnavailableError
from app.domain.ports import StoredObject
from app.storage.keys import check_key

T = TypeVar("T")

# Not a passing trouble: trying again changes nothing.
_REFUSED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidBucketName",
    "AllAccessDisabled",
}
THREADS = 16
READ_BYTES = 256 * 1024
LIST_BATCH = 1000
# Objects above this size go up in parts; one part at a time is held in memory.
PART_BYTES = 5 * 1024 * 1024  # the least that S3 allows
HASH_HEADER = "sha256"
PROBE = ".probe"  # not a key, so never in the way of one
_NOT_THERE = {"NoSuchKey", "NoSuchObject", "ResourceNotFound"}


class S3Store:
    """Keeps each object under its key, with its sha256 as user metadata."""

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        region: str | None = None,
        secure: bool = True,
        connect_timeout_s: float = 2.0,
        read_timeout_s: float = 10.0,
    ) -> None:
        """Prepare a client; nothing is sent before the first call.

        Args:
            endpoint: host and port, without a scheme.
        """
        self._bucket = bucket
        self._region = region
        self._bucket_known = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        pool = PoolManager(
            maxsize=THREADS,
            timeout=Timeout(connect=connect_timeout_s, read=read_timeout_s),
            retries=Retry(
                total=1,
                backoff_factor=0.2,
                status_forcelist=(500, 502, 503, 504),
                respect_retry_after_header=False,
            ),
        )
        self._client = Minio(
            endpoint,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            secure=secure,
            http_client=pool,
        )

    async def put_file(self, key: str, path: Path, *, sha256: str, mime: str) -> None:
        """Upload the file, checking its hash before and what the store has after."""
        check_key(key)
        await self._in_thread(lambda: self._put(key, path, sha256, mime))

    async def open_range(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Stream bytes `start` to `end`, end exclusive; it ends early where the object does."""
        check_key(key)
        response = await self._in_thread(lambda: self._get(key, start, end))
        if response is None:
            return
        try:
            while chunk := await self._in_thread(lambda: response.read(READ_BYTES)):
                yield chunk
        finally:
            response.close()
            response.release_conn()

    async def stat(self, key: str) -> StoredObject | None:
        """Describe the object, or None if there is none."""
        check_key(key)
        return await self._in_thread(lambda: self._stat(key))

    async def delete(self, key: str) -> None:
        """Remove the object; a missing one is not an error."""
        check_key(key)
        await self._in_thread(lambda: self._client.remove_object(self._bucket, key))

    async def list(self, prefix: str, after: str = "") -> AsyncIterator[StoredObject]:
        """Walk objects in key order; hashes are not part of a listing."""
        walk = self._client.list_objects(
            self._bucket, prefix=prefix or None, start_after=after or None, recursive=True
        )
        while batch := await self._in_thread(lambda: [*islice(walk, LIST_BATCH)]):
            for found in batch:
                if found.object_name != PROBE:
                    yield _describe(found)

    async def health(self) -> None:
        """Write and remove a small object, making the bucket if it is missing."""
        self._bucket_known = False
        await self._in_thread(self._probe)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._guarded, call)

    def _guarded(self, call: Callable[[], T]) -> T:
        with _failures():
            self._make_bucket()
            return call()

    def _make_bucket(self) -> None:
        if self._bucket_known:
            return
        try:
            if not self._client.bucket_exists(self._bucket):
                self._client.make_bucket(self._bucket, location=self._region)
        except S3Error as error:
            # Keys may be allowed objects only; another process may have made it just now.
            if error.code not in {"AccessDenied", "BucketAlreadyOwnedByYou"}:
                raise
        self._bucket_known = True

    def _put(self, key: str, path: Path, sha256: str, mime: str) -> None:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                raise ConflictError("the file does not have the given sha256")
            size_bytes = file.tell()
            existing = self._stat(key)
            if existing is None:
                file.seek(0)
                self._client.put_object(
                    self._bucket,
                    key,
                    file,
                    size_bytes,
                    content_type=mime,
                    metadata={HASH_HEADER: sha256},
                    part_size=PART_BYTES,
                    num_parallel_uploads=1,
                )
                existing = self._stat(key)
        if existing is None:
            raise StorageUnavailableError("the object store lost an object that it had accepted")
        if (existing.size_bytes, existing.sha256) != (size_bytes, sha256):
            raise ConflictError("the object exists with other content")

    def _probe(self) -> None:
        self._client.put_object(self._bucket, PROBE, BytesIO(b"probe"), 5)
        self._client.remove_object(self._bucket, PROBE)

    def _get(self, key: str, start: int, end: int) -> BaseHTTPResponse | None:
        if end <= start:  # S3 has no empty range; the object must exist all the same
            if self._stat(key) is None:
                raise NotFoundError
            return None
        try:
            return self._client.get_object(self._bucket, key, offset=start, length=end - start)
        except S3Error as error:
            if error.code == "InvalidRange":
                return None
            raise

    def _stat(self, key: str) -> StoredObject | None:
        try:
            return _describe(self._client.stat_object(self._bucket, key))
        except S3Error as error:
            if error.code in _NOT_THERE:
                return None
            raise


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the client raises into errors of the service."""
    try:
        yield
    except S3Error as error:
        if error.code in _NOT_THERE:
            raise NotFoundError from error
        if error.code in _REFUSED:
            raise StorageRefusedError(
                f"the object store refuses: {error.code}; check the S3_ settings"
            ) from error
        raise StorageUnavailableError(f"the object store failed: {error.code}") from error
    except (MinioException, HTTPError) as error:
        raise StorageUnavailableError(f"the object store does not answer: {type(error).__name__}") from error


def _describe(found: Object) -> StoredObject:
    headers = found.metadata or {}
    return StoredObject(
        key=found.object_name or "",
        size_bytes=found.size or 0,
        sha256=headers.get(f"x-amz-meta-{HASH_HEADER}"),
        modified_at=found.last_modified or datetime.fromtimestamp(0, UTC),
    )
