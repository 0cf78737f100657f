"""Places where a test can make a process fail, named in the environment: `FAILPOINT=name[:nth][:action]`.

`nth` counts the passes of one process from 1 (the default); `action` is `kill` (SIGKILL to itself, the
default), `raise` or `hang`. Refused when `ACESTEP_ENV=production`.
"""

import os
import signal
import time
from collections.abc import Mapping

_ACTIONS = ("kill", "raise", "hang")


class FailpointReached(RuntimeError):
    """A failpoint with the action `raise` was reached."""


class Failpoints:
    """The failpoint of one process, read once; without one every `hit` does nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Parse `FAILPOINT`.

        Raises:
            ValueError: it cannot be parsed, or this is production.
        """
        name, *rest = environ.get("FAILPOINT", "").split(":")
        if name and environ.get("ACESTEP_ENV") == "production":
            raise ValueError("FAILPOINT is set, which ACESTEP_ENV=production forbids")
        self._name = name
        self._action = rest.pop() if rest and rest[-1] in _ACTIONS else "kill"
        if len(rest) > 1 or not all(part.isdigit() for part in rest):
            raise ValueError("FAILPOINT must be name[:nth][:kill|raise|hang]")
        self._passes_left = int(rest[0]) if rest else 1

    def hit(self, name: str) -> None:
        """Fail here, if this is the chosen place and the chosen pass.

        Raises:
            FailpointReached: the action is `raise`.
        """
        if name != self._name:
            return
        self._passes_left -= 1
        if self._passes_left != 0:
            return
        if self._action == "raise":
            raise FailpointReached(name)
        if self._action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        while True:
            time.sleep(60.0)
