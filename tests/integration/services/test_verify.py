"""What `acestep-service verify` finds: each mismatch of rows and objects is one line with one remedy."""

import asyncio
import hashlib
import json
from pathlib import Path

import asyncpg
from click.testing import CliRunner

from app.cli.service import main
from app.db.engine import Database
from app.domain.findings import Finding, Health
from app.domain.ports import StoredObject
from app.domain.task import TeamId
from app.services.verify import Verify
from app.storage.folder import FolderStore
from tests.builders import a_finished_task

CONTENT = b"x" * 100


async def stored_songs(db: Database, team: TeamId, url: str, store: FolderStore, folder: Path) -> list[str]:
    """Four finished tasks whose clips are in the store; returns their storage keys in the order of rows."""
    for _ in range(4):
        await a_finished_task(db, team)
    digest = hashlib.sha256(CONTENT).hexdigest()
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE objects SET sha256 = $1", digest)
    rows = await connection.fetch("SELECT storage_key FROM objects ORDER BY id")
    await connection.close()
    keys = [row["storage_key"] for row in rows]
    content = folder / "content"
    content.write_bytes(CONTENT)
    for key in keys:
        await store.put_file(key, content, sha256=digest, mime="audio/wav")
    return keys


async def found(db: Database, store: FolderStore, *, with_hashes: bool = True) -> list[Finding]:
    return [finding async for finding in Verify(db, store).run(with_hashes=with_hashes)]


async def test_a_whole_store_is_one_good_line(
    db: Database, team: TeamId, database_url: str, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "objects")
    await stored_songs(db, team, database_url, store, tmp_path)
    (finding,) = await found(db, store)
    assert (finding.health, finding.text.split(",")[0]) == (Health.OK, "4 rows")


async def test_each_mismatch_is_named_with_its_remedy(
    db: Database, team: TeamId, database_url: str, tmp_path: Path
) -> None:
    store = FolderStore(tmp_path / "objects")
    gone, cut, flipped, _ = keys = await stored_songs(db, team, database_url, store, tmp_path)
    await store.delete(gone)
    (tmp_path / "objects" / cut).write_bytes(CONTENT[:50])
    (tmp_path / "objects" / flipped).write_bytes(CONTENT[:99] + b"y")
    orphan = keys[3].replace("/1/0.wav", "/1/1.wav")
    content = tmp_path / "content"
    digest = hashlib.sha256(CONTENT).hexdigest()
    await store.put_file(orphan, content, sha256=digest, mime="audio/wav")

    findings = await found(db, store)
    assert [(finding.health, finding.text) for finding in findings] == [
        (Health.FAIL, f"{gone} is missing"),
        (Health.FAIL, f"{cut} has 50 bytes instead of 100"),
        (Health.FAIL, f"{flipped} has other content: its sha256 differs"),
        (Health.WARN, f"{orphan} belongs to no row"),
    ]
    assert all(finding.remedy for finding in findings)
    environment = {"DATABASE_URL": database_url, "ACESTEP_DATA_DIR": str(tmp_path)}
    done = await asyncio.to_thread(CliRunner().invoke, main, ["verify", "--json"], env=environment)
    texts = [finding["text"] for finding in json.loads(done.output)]
    assert (done.exit_code, len(texts)) == (1, 3), "the size alone does not tell of other content"


async def test_a_task_that_is_erased_meanwhile_is_no_mismatch(
    db: Database, team: TeamId, database_url: str, tmp_path: Path
) -> None:
    class Forgetful(FolderStore):
        """The clip goes, and its row with it, after the row was read."""

        async def stat(self, key: str) -> StoredObject | None:
            connection = await asyncpg.connect(database_url)
            await connection.execute("UPDATE objects SET deleted_at = now() WHERE storage_key = $1", key)
            await connection.close()
            await self.delete(key)
            return await super().stat(key)

    store = Forgetful(tmp_path / "objects")
    await stored_songs(db, team, database_url, store, tmp_path)
    (finding,) = await found(db, store)
    assert finding.health is Health.OK
