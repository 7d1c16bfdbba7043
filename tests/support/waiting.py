"""Waiting for something that another process does."""

import time
from collections.abc import Callable


def wait_until(holds: Callable[[], bool], timeout_s: float = 120) -> None:
    """Return once `holds` is true; fail when that takes longer than `timeout_s`."""
    until_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < until_s, "it never came to that"
        time.sleep(0.02)
