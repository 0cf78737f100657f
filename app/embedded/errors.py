"""What can go wrong with the local stack; every message is one sentence for the operator."""


class EmbeddedError(Exception):
    """The local stack cannot be started or kept running; the message says what to do."""


class FolderInUseError(EmbeddedError):
    """Another process holds the data folder."""


class ProgramFailedError(EmbeddedError):
    """A program failed to start too many times in a row; the message ends with its last log lines."""
