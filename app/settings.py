"""All configuration, read once from the environment and `.env`; nothing else reads either."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

# Secrets, and URLs that can hold one: each may come from a file named by <NAME>_FILE.
FROM_FILE = (
    "ACESTEP_API_KEY",
    "ACESTEP_KEY_PEPPER",
    "DATABASE_URL",
    "REDIS_URL",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
)

TINY_MODEL = "acestep-tiny-random"
TINY_LANGUAGE_MODEL = "acestep-5Hz-lm-tiny-random"


class ConfigurationError(Exception):
    """A variable has a value that cannot be used; the text names it."""


def _boolean(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    if word in ("1", "true", "yes", "y", "on"):
        return True
    if word in ("0", "false", "no", "n", "off"):
        return False
    raise ValueError("expected 1, true, yes, y, on or 0, false, no, n, off")


def _flag_or_auto(value: Any) -> Any:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    return _boolean(value)


def _networks(value: Any) -> Any:
    for network in str(value).split(","):
        if network.strip():
            ip_network(network.strip())  # raises ValueError
    return value


def _source(value: Any) -> Any:
    """A word, or an absolute folder with models."""
    if not isinstance(value, str) or value.strip().lower() in ("auto", "huggingface", "modelscope"):
        return value.strip().lower() if isinstance(value, str) else value
    if not Path(value).expanduser().is_absolute():
        raise ValueError("expected auto, huggingface, modelscope or an absolute folder")
    return str(Path(value).expanduser())


Networks = Annotated[str, BeforeValidator(_networks)]
Flag = Annotated[bool, BeforeValidator(_boolean)]
FlagOrAuto = Annotated[bool | Literal["auto"], BeforeValidator(_flag_or_auto)]
Source = Annotated[str, BeforeValidator(_source)]
Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Every variable with its default; names as in `docs/operations.md`."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    api_host: str = Field("127.0.0.1", validation_alias="ACESTEP_API_HOST")
    api_port: int = Field(8001, ge=1, le=65535, validation_alias="ACESTEP_API_PORT")
    api_key: SecretStr = Field(SecretStr(""), validation_alias="ACESTEP_API_KEY")
    api_workers: int = Field(1, ge=1, le=64, validation_alias="ACESTEP_API_WORKERS")

    config_path: str = Field("acestep-v15-turbo", validation_alias="ACESTEP_CONFIG_PATH")
    config_path2: str = Field("", validation_alias="ACESTEP_CONFIG_PATH2")
    config_path3: str = Field("", validation_alias="ACESTEP_CONFIG_PATH3")
    model_aliases: str = Field("", validation_alias="ACESTEP_MODEL_ALIASES")
    device: str = Field("auto", validation_alias="ACESTEP_DEVICE")
    use_flash_attention: Flag = Field(True, validation_alias="ACESTEP_USE_FLASH_ATTENTION")
    offload_to_cpu: Flag | None = Field(None, validation_alias="ACESTEP_OFFLOAD_TO_CPU")
    offload_dit_to_cpu: Flag = Field(False, validation_alias="ACESTEP_OFFLOAD_DIT_TO_CPU")
    compile_model: Flag = Field(False, validation_alias="ACESTEP_COMPILE_MODEL")
    max_loaded_models: int = Field(1, ge=1, le=64, validation_alias="ACESTEP_MAX_LOADED_MODELS")
    init_llm: FlagOrAuto = Field("auto", validation_alias="ACESTEP_INIT_LLM")
    lm_model_path: str = Field("acestep-5Hz-lm-0.6B", validation_alias="ACESTEP_LM_MODEL_PATH")
    lm_backend: Literal["vllm", "pt"] = Field("vllm", validation_alias="ACESTEP_LM_BACKEND")
    lm_device: str = Field("", validation_alias="ACESTEP_LM_DEVICE")
    lm_offload_to_cpu: Flag | None = Field(None, validation_alias="ACESTEP_LM_OFFLOAD_TO_CPU")
    download_source: Source = Field("auto", validation_alias="ACESTEP_DOWNLOAD_SOURCE")

    no_init: Flag = Field(False, validation_alias="ACESTEP_NO_INIT")
    repaint_keep_source: Flag = Field(True, validation_alias="ACESTEP_REPAINT_KEEP_SOURCE")
    triton_cache_dir: Path = Field(Path(".cache/acestep/triton"), validation_alias="TRITON_CACHE_DIR")
    torchinductor_cache_dir: Path = Field(
        Path(".cache/acestep/torchinductor"), validation_alias="TORCHINDUCTOR_CACHE_DIR"
    )

    queue_maxsize: int = Field(200, validation_alias="ACESTEP_QUEUE_MAXSIZE")
    queue_workers: int = Field(1, ge=1, le=64, validation_alias="ACESTEP_QUEUE_WORKERS")
    avg_job_seconds: Seconds = Field(5.0, validation_alias="ACESTEP_AVG_JOB_SECONDS")
    avg_window: int = Field(50, ge=1, le=100_000, validation_alias="ACESTEP_AVG_WINDOW")
    task_timeout: Seconds = Field(1800, validation_alias="ACESTEP_TASK_TIMEOUT")
    lease_seconds: Seconds = Field(30, validation_alias="ACESTEP_LEASE_SECONDS")
    max_attempts: int = Field(3, ge=1, validation_alias="ACESTEP_MAX_ATTEMPTS")
    cancel_grace: Seconds = Field(10, validation_alias="ACESTEP_CANCEL_GRACE")
    shutdown_grace: Seconds = Field(30, validation_alias="ACESTEP_SHUTDOWN_GRACE")
    sync_timeout: Seconds = Field(120, validation_alias="ACESTEP_SYNC_TIMEOUT")
    priority_aging: Seconds = Field(600, validation_alias="ACESTEP_PRIORITY_AGING")
    model_wait: float = Field(0, ge=0, validation_alias="ACESTEP_MODEL_WAIT")
    prompt_slot: FlagOrAuto = Field("auto", validation_alias="ACESTEP_PROMPT_SLOT")

    max_body_bytes: int = Field(2 * 1024**2, ge=1024, validation_alias="ACESTEP_MAX_BODY_BYTES")
    max_upload_bytes: int = Field(256 * 1024**2, ge=1024, validation_alias="ACESTEP_MAX_UPLOAD_BYTES")
    max_form_bytes: int = Field(520 * 1024**2, ge=1024, validation_alias="ACESTEP_MAX_FORM_BYTES")
    max_form_parts: int = Field(200, ge=1, validation_alias="ACESTEP_MAX_FORM_PARTS")
    max_input_seconds: Seconds = Field(600, validation_alias="ACESTEP_MAX_INPUT_SECONDS")
    max_query_ids: int = Field(1000, ge=1, validation_alias="ACESTEP_MAX_QUERY_IDS")
    max_prompt_chars: int = Field(4096, ge=1, validation_alias="ACESTEP_MAX_PROMPT_CHARS")
    max_lyrics_chars: int = Field(16384, ge=1, validation_alias="ACESTEP_MAX_LYRICS_CHARS")
    max_text_chars: int = Field(1024, ge=1, validation_alias="ACESTEP_MAX_TEXT_CHARS")
    max_codes_chars: int = Field(100_000, ge=1, validation_alias="ACESTEP_MAX_CODES_CHARS")
    max_duration: float = Field(600, ge=10, le=600, validation_alias="ACESTEP_MAX_DURATION")

    database_url: SecretStr | None = Field(None, validation_alias="DATABASE_URL")
    redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
    s3_endpoint: str = Field("", validation_alias="S3_ENDPOINT")
    s3_bucket: str = Field("acestep", validation_alias="S3_BUCKET")
    s3_access_key: SecretStr = Field(SecretStr(""), validation_alias="S3_ACCESS_KEY")
    s3_secret_key: SecretStr = Field(SecretStr(""), validation_alias="S3_SECRET_KEY")
    s3_region: str = Field("us-east-1", validation_alias="S3_REGION")
    s3_secure: Flag = Field(True, validation_alias="S3_SECURE")
    data_dir: Path = Field(Path(".cache/acestep/data"), validation_alias="ACESTEP_DATA_DIR")
    tmpdir: Path = Field(Path(".cache/acestep/tmp"), validation_alias="ACESTEP_TMPDIR")
    key_pepper: SecretStr = Field(SecretStr(""), validation_alias="ACESTEP_KEY_PEPPER")
    pg_bin: str = Field("", validation_alias="ACESTEP_PG_BIN")
    redis_bin: str = Field("", validation_alias="ACESTEP_REDIS_BIN")
    pg_user: str = Field("", validation_alias="ACESTEP_PG_USER")

    cors_origins: str = Field("*", validation_alias="ACESTEP_CORS_ORIGINS")
    public_audio: Flag = Field(False, validation_alias="ACESTEP_PUBLIC_AUDIO")
    input_dirs: str = Field("", validation_alias="ACESTEP_INPUT_DIRS")
    audio_retention_days: int | None = Field(None, ge=1, validation_alias="ACESTEP_AUDIO_RETENTION_DAYS")
    record_retention_days: int | None = Field(None, ge=1, validation_alias="ACESTEP_RECORD_RETENTION_DAYS")
    idempotency_hours: int = Field(24, ge=1, validation_alias="ACESTEP_IDEMPOTENCY_HOURS")
    export_max_rows: int = Field(1_000_000, ge=1, validation_alias="ACESTEP_EXPORT_MAX_ROWS")
    sse_max_per_key: int = Field(20, ge=1, validation_alias="ACESTEP_SSE_MAX_PER_KEY")
    webhook_allow_http: Flag = Field(False, validation_alias="ACESTEP_WEBHOOK_ALLOW_HTTP")
    webhook_allow_networks: Networks = Field("", validation_alias="ACESTEP_WEBHOOK_ALLOW_NETWORKS")
    metrics_allow_networks: Networks = Field("", validation_alias="ACESTEP_METRICS_ALLOW_NETWORKS")
    record_client: Flag = Field(True, validation_alias="ACESTEP_RECORD_CLIENT")
    env: str = Field("development", validation_alias="ACESTEP_ENV")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="ACESTEP_LOG_LEVEL"
    )
    log_format: Literal["text", "json"] = Field("text", validation_alias="ACESTEP_LOG_FORMAT")
    otel_endpoint: str = Field("", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    engine: str = Field("", validation_alias="ACESTEP_ENGINE")

    prometheus_multiproc_dir: str = Field("", validation_alias="PROMETHEUS_MULTIPROC_DIR")

    @field_validator("data_dir", "tmpdir", "triton_cache_dir", "torchinductor_cache_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("log_level", "log_format", "lm_backend", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, the environment over `.env`."""
        return init_settings, env_settings, dotenv_settings

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the offered diffusion models, the default one first."""
        paths = (self.config_path, self.config_path2, self.config_path3)
        return tuple(dict.fromkeys(Path(path).name for path in paths if path.strip()))

    @property
    def lm_model(self) -> str:
        """Name of the default language model."""
        return Path(self.lm_model_path).name

    @property
    def aliases(self) -> dict[str, str]:
        """Requested model name -> offered model name, as the operator mapped them."""
        pairs = (pair.split("=", 1) for pair in self.model_aliases.split(",") if pair.strip())
        return {name.strip(): used.strip() for name, used in pairs}

    @property
    def attempts_dir(self) -> Path:
        """Folder with the scratch folders of this machine's workers."""
        return self.tmpdir / "attempts"

    @property
    def input_folders(self) -> tuple[Path, ...]:
        """Folders below which clients may name files of this machine."""
        return tuple(Path(folder.strip()) for folder in self.input_dirs.split(",") if folder.strip())

    @property
    def store(self) -> dict[str, Any]:
        """Arguments of `choose_store`."""
        return {
            "folder": self.data_dir / "objects",
            "endpoint": self.s3_endpoint,
            "bucket": self.s3_bucket,
            "access_key": self.s3_access_key.get_secret_value(),
            "secret_key": self.s3_secret_key.get_secret_value(),
            "region": self.s3_region,
            "secure": self.s3_secure,
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that must never be logged."""
        values = [
            value.get_secret_value()
            for value in (self.api_key, self.key_pepper, self.s3_access_key, self.s3_secret_key)
        ]
        urls = [url.get_secret_value() for url in (self.database_url, self.redis_url) if url]
        values += [unquote(urlsplit(url).password or "") for url in urls]
        return tuple(value for value in values if value)

    @property
    def queue_limit(self) -> int | None:
        """How many tasks may wait; None = unlimited."""
        return self.queue_maxsize if self.queue_maxsize > 0 else None


def load(**overrides: Any) -> Settings:
    """Read the configuration.

    Args:
        overrides: values of flags by field name; None means that the flag was not given.

    Raises:
        ConfigurationError: a value is not valid; the text names the variable, never the value of a secret.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**(_read_files() | given))
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(item) for item in error.errors())) from None
    if settings.engine and settings.env == "production":
        raise ConfigurationError("ACESTEP_ENGINE: another engine is refused when ACESTEP_ENV is production")
    if os.environ.get("FAILPOINT") and settings.env == "production":
        raise ConfigurationError("FAILPOINT: for tests only, refused when ACESTEP_ENV is production")
    _check_urls(settings)
    if any("=" not in pair for pair in settings.model_aliases.split(",") if pair.strip()):
        raise ConfigurationError("ACESTEP_MODEL_ALIASES: expected other-name=offered-name,…")
    if not all(folder.is_absolute() for folder in settings.input_folders):
        raise ConfigurationError("ACESTEP_INPUT_DIRS: expected absolute folders, separated by commas")
    return settings


def _check_urls(settings: Settings) -> None:
    """Refuse addresses that no part could use, here rather than in the middle of a start."""
    for variable, value, schemes in (
        ("DATABASE_URL", settings.database_url, ("postgresql", "postgres")),
        ("REDIS_URL", settings.redis_url, ("redis", "rediss", "unix")),
    ):
        if value and urlsplit(value.get_secret_value()).scheme.split("+")[0] not in schemes:
            raise ConfigurationError(f"{variable}: must begin with {schemes[0]}://")
    needed = ("S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    if settings.s3_endpoint and not all(settings.store[name.lower()[3:]] for name in needed):
        raise ConfigurationError(f"S3_ENDPOINT: needs {', '.join(needed)} too")


def _read_files() -> dict[str, str]:
    """Values of `<NAME>_FILE` variables, by field name; the plain variable wins."""
    values = {}
    fields = {str(field.validation_alias): name for name, field in Settings.model_fields.items()}
    for variable in FROM_FILE:
        path = os.environ.get(f"{variable}_FILE")
        if path and not os.environ.get(variable):
            try:
                values[fields[variable]] = Path(path).read_text().strip()
            except OSError as error:
                raise ConfigurationError(f"{variable}_FILE: cannot read it ({error.strerror})") from None
    return values


def _explain(item: Any) -> str:
    name = item["loc"][0] if item["loc"] else "configuration"
    field = Settings.model_fields.get(str(name))
    variable = field.validation_alias if field else name
    return f"{variable}: {item['msg']}"
