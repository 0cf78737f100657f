"""Limits that a process lays on itself before it touches bytes of a client; Linux knows all of them."""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_STATM = Path("/proc/self/statm")


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies; elsewhere than on Linux nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def confine(*, address_bytes: int, data_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """Limit this process for good: no call can widen it again.

    Args:
        address_bytes: address space beyond what is mapped now.
        data_bytes: memory of its own beyond what it has now; an allocation above it fails.
        cpu_s: processor time of the whole process.
        file_bytes: size of any file that it writes.
    """
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, cpu_s)
    _limit(resource.RLIMIT_FSIZE, file_bytes)
    if sys.platform == "linux":
        mapped, _, _, _, _, data, _ = (
            int(pages) * os.sysconf("SC_PAGE_SIZE") for pages in _STATM.read_text().split()
        )
        _limit(resource.RLIMIT_AS, mapped + address_bytes)
        _limit(resource.RLIMIT_DATA, data + data_bytes)
        if ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError("PR_SET_NO_NEW_PRIVS was refused")


def _limit(which: int, value: int) -> None:
    """Lower both limits; one that is lower already stays."""
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
