"""Every error a user can meet: an HTTP status, a public code and a message that says what to do."""


class ServiceError(Exception):
    """Base of all errors with a public text; the message goes to the client as it is."""

    status = 500
    code = "internal"

    def __init__(self, message: str | None = None, *, retry_after_s: int | None = None) -> None:
        super().__init__(message or (self.__doc__ or "internal error").split("\n", 1)[0].rstrip("."))
        self.retry_after_s = retry_after_s

    @property
    def message(self) -> str:
        """The public text."""
        return str(self)


class ValidationError(ServiceError):
    """The request is not valid."""

    status = 400
    code = "validation"


class UnauthorizedError(ServiceError):
    """No key, or one that is not valid."""

    status = 401
    code = "unauthorized"


class ForbiddenError(ServiceError):
    """The key is valid but lacks the scope."""

    status = 403
    code = "forbidden"


class NotFoundError(ServiceError):
    """The object does not exist, or belongs to another team."""

    status = 404
    code = "not_found"


class ConflictError(ServiceError):
    """The state of the object does not allow this."""

    status = 409
    code = "conflict"


class TooLargeError(ServiceError):
    """The body or one of its files is too large."""

    status = 413
    code = "validation"


class UnsupportedMediaTypeError(ServiceError):
    """The content type is not supported."""

    status = 415
    code = "validation"


class RangeNotSatisfiableError(ServiceError):
    """The requested range lies outside the file."""

    status = 416
    code = "validation"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(f"range not satisfiable: the file has {size_bytes} bytes")
        self.size_bytes = size_bytes


class QueueFullError(ServiceError):
    """The queue holds as many waiting tasks as it may; the client can retry."""

    status = 429
    code = "queue_full"


class QuotaExceededError(ServiceError):
    """The team has used up its audio of this day or month; the client can retry in the next one."""

    status = 429
    code = "quota_exceeded"


class ExportsBusyError(ServiceError):
    """Another export is running; try again when it has ended."""

    status = 429
    code = "quota_exceeded"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, retry_after_s=10)


class TooManyStreamsError(ServiceError):
    """The key has as many streams open as it may; close one."""

    status = 429
    code = "too_many_streams"


class DatabaseUnavailableError(ServiceError):
    """The database does not answer; try again in a few seconds."""

    status = 503
    code = "internal"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, retry_after_s=2)


class LanguageModelUnavailableError(ServiceError):
    """This service offers no language model; send caption and lyrics as they shall be sung."""

    status = 503
    code = "model_unavailable"


class LanguageModelFailedError(ServiceError):
    """The language model could not do this; try again or change the text."""

    code = "lm_failed"


class StorageUnavailableError(ServiceError):
    """The object store does not answer; try again in a few seconds."""

    status = 503
    code = "storage_unavailable"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message, retry_after_s=5)


class StorageRefusedError(ServiceError):
    """The object store refuses what we ask; the operator has to mend the settings."""

    status = 503
    code = "storage_unavailable"


class DatabaseRefusedError(ServiceError):
    """The database refuses the connection; the operator has to mend the settings."""

    status = 503


class SchemaMismatchError(ServiceError):
    """The database has another schema version than this program."""

    status = 503
