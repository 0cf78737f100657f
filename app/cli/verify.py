"""`acestep-service verify`: one line for each object that is not as its row says, and one remedy."""

import asyncio
import sys

import click

from app import logs
from app.cli.configure import settings_or_exit
from app.cli.doctor import addresses, print_findings
from app.cli.office import as_json, print_json
from app.db.engine import Database
from app.db.migrate import require_schema
from app.domain.errors import ServiceError
from app.domain.findings import Finding, Health
from app.embedded.errors import EmbeddedError
from app.services.verify import Verify
from app.settings import Settings
from app.storage.choose import choose_store


@click.command()
@click.option("--hashes", is_flag=True, help="Read every object and compare its sha256; takes its time.")
@as_json
def verify(hashes: bool, as_json: bool) -> None:
    """Compare rows and stored objects both ways; the exit status is 1 if an object is missing or wrong."""
    settings = settings_or_exit()
    logs.configure("error", secrets=settings.secrets)
    try:
        findings = asyncio.run(_verify(settings, with_hashes=hashes))
    except (EmbeddedError, ServiceError) as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        print_json(findings)
    else:
        print_findings(findings)
    if any(finding.health is Health.FAIL for finding in findings):
        sys.exit(1)


async def _verify(settings: Settings, *, with_hashes: bool) -> list[Finding]:
    database_url, _ = await addresses(settings)
    await require_schema(database_url, wait_s=5)
    database = Database(database_url, pool_size=1, application_name="acestep-verify")
    try:
        found = Verify(database, choose_store(**settings.store)).run(with_hashes=with_hashes)
        return [finding async for finding in found]
    finally:
        await database.close()
