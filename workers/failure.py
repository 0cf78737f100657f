"""How a job ends that does not succeed."""

from workers import protocol


class ChildDied(Exception):
    """The child ended without a word about the job.

    Attributes:
        returncode: as in asyncio: negative = killed by that signal; None = not known.
        wanted: we ended it ourselves, for a reason that another job may have given.
    """

    def __init__(self, returncode: int | None, *, wanted: bool = False) -> None:
        super().__init__(f"the child process died (status {returncode})")
        self.returncode = returncode
        self.wanted = wanted


class JobFailed(Exception):
    """The child reported an error.

    Attributes:
        code, message: public.
        trace: traceback, for admins only.
        retryable: another attempt may help.
        poisons: the child has ended itself and must be started again.
        peak_memory_bytes: of the accelerator, where the engine knows it.
    """

    def __init__(self, report: protocol.Failed) -> None:
        super().__init__(report.message)
        self.code = report.code
        self.message = report.message
        self.trace = report.trace
        self.retryable = report.retryable
        self.poisons = report.poisons
        self.peak_memory_bytes = report.peak_memory_bytes


class StartFailed(JobFailed):
    """The engine could not be built, or its model not be loaded."""


class JobCancelled(Exception):
    """The job stopped because it was asked to."""


class TaskFailed(Exception):
    """The task failed in the supervisor; code and message are public."""

    def __init__(self, code: str, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.trace: str | None = None
        self.retryable = retryable
        self.peak_memory_bytes: int | None = None


class TaskReleased(Exception):
    """The task cannot go on here, through no fault of its own: it goes back to the queue untouched."""
