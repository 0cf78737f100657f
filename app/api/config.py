"""What the HTTP edge is told at start."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir

from app.domain.addresses import Network
from app.domain.offers import Limits
from app.domain.task import TeamId


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Fixed values of the HTTP edge.

    Attributes:
        default_team_id: team of the bootstrap key and of all calls in open mode.
        bootstrap_key: the operator's key with all scopes; None or empty = none.
        key_pepper: secret of the stored key digests.
        cors_origins: allowed origins; `*` = any.
        public_audio: clips can be fetched without a key.
        spool_dir: scratch folder of uploads while they come in.
        env: name of the environment, shown in results.
        record_client: keep address and user agent with each task.
        limits: largest sizes that a request may ask for.
        metrics_networks: addresses that may read `/metrics` without a key.
        query_patience_s: how long a poll waits for a lost database.
    """

    default_team_id: TeamId
    bootstrap_key: str | None = None
    key_pepper: bytes = b""
    cors_origins: tuple[str, ...] = ("*",)
    public_audio: bool = False
    max_body_bytes: int = 2 * 1024 * 1024
    max_upload_bytes: int = 256 * 1024 * 1024
    max_form_bytes: int = 520 * 1024 * 1024
    max_form_parts: int = 200
    spool_dir: Path = Path(gettempdir()) / "acestep-uploads"
    max_query_ids: int = 1000
    limits: Limits = field(default_factory=Limits)
    env: str = "development"
    release: str = "0.0.0"
    record_client: bool = True
    metrics_networks: tuple[Network, ...] = ()
    query_patience_s: float = 5.0
