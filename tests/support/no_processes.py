"""Keeps unit tests from starting processes: they judge, they do not act."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

_STARTING = frozenset(
    ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec")
)
_state = {"forbidden": False, "installed": False}


class ProcessStartedError(AssertionError):
    """A unit test tried to start a process."""


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event in _STARTING and _state["forbidden"]:
        raise ProcessStartedError(f"unit tests start no processes: {event}")


def _refuse_spawn(*args: Any) -> int:
    raise ProcessStartedError("unit tests start no processes: multiprocessing")


@contextmanager
def forbid_processes() -> Iterator[None]:
    """No process can be started by Python means until the block ends."""
    if not _state["installed"]:
        sys.addaudithook(_watch)
        _state["installed"] = True
    # multiprocessing's spawn goes past the audit events
    with patch("multiprocessing.util.spawnv_passfds", _refuse_spawn):
        _state["forbidden"] = True
        try:
            yield
        finally:
            _state["forbidden"] = False
