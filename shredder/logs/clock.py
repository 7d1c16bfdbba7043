"""The clock of a run: an argument everywhere, so that a test can play a year in a second."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` returns an aware time; `monotonic` counts seconds, `sleep` waits for some."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    @property
    def now_s(self) -> int:
        """Whole seconds since 1970."""
        return int(self.now().timestamp())


SYSTEM_CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic, time.sleep)


def spell(at_s: int) -> str:
    """Return a time as hooks get it, e.g. "2026-11-21T03:31:00Z"."""
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "9999-12-31T23:59:59Z"


def elapsed_ms(clock: Clock, since: float) -> int:
    """Return how long ago a moment of `clock.monotonic` was."""
    return max(0, round((clock.monotonic() - since) * 1000))
