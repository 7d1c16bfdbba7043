"""Trying again: with longer and longer pauses, until it works, a deadline passes or somebody stops it.

One attempt is limited too: a server that says one byte now and then would otherwise hold it for ever.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shredder.errors import UndeliveredError
from shredder.units import duration

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 120.0
_STEP_S = 1.0
_LOOK_EVERY_S = 0.5
_SPARE_S = 120.0
_SLOWEST_BYTES_A_S = 20_000


def keep_trying(
    attempt: Callable[[], None],
    *,
    what: str,
    deadline_s: float | None,
    say: Callable[[str], None],
    wants_stop: Callable[[], bool],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Call `attempt` until it succeeds; each failure is said once, with when it is tried again.

    Args:
        attempt: raises UndeliveredError when it fails.
        what: is tried, e.g. "delivering the start entry".
        deadline_s: seconds from now after which no attempt begins; None for none.
        say: tells people one line.
        wants_stop: asked before each attempt and once a second in between.
        monotonic: counts seconds.
        sleep: waits that many seconds.

    Raises:
        UndeliveredError: the deadline has passed, with the last reason; or it was stopped.
    """
    began_s = monotonic()
    pause_s = _FIRST_PAUSE_S
    while not wants_stop():
        try:
            return attempt()
        except UndeliveredError as error:
            left_s = None if deadline_s is None else deadline_s - (monotonic() - began_s)
            if left_s is not None and left_s <= 0:
                raise
            if wants_stop():
                break
            wait_s = pause_s if left_s is None else min(pause_s, left_s)
            say(f"{what} failed: {error.message}; trying again in {duration(wait_s)}")
            if error.hint:
                say(f"hint: {error.hint}")
        _wait(wait_s, wants_stop, monotonic, sleep)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    raise UndeliveredError(f"{what} was stopped")


def limit_for(size_bytes: int) -> float:
    """Return how long one attempt may take that sends so many bytes, in seconds."""
    return _SPARE_S + size_bytes / _SLOWEST_BYTES_A_S


@contextmanager
def limited(what: str, limit_s: float, wants_stop: Callable[[], bool]) -> Iterator[None]:
    """Break off what is done inside of the `with`, when it takes too long or somebody stops it.

    A timer's signal interrupts whatever waits for the network: for the main thread only, and not nested.

    Args:
        what: is tried, e.g. "start.jsonl to vault.example.org".
        limit_s: seconds from now.
        wants_stop: asked twice a second.

    Raises:
        UndeliveredError: the limit has passed, or it was stopped.
    """
    ends_s = time.monotonic() + limit_s

    def look(*_: object) -> None:
        # the timer runs out once: after an error from here nothing more can come
        if wants_stop():
            raise UndeliveredError(f"{what}: stopped")
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            raise UndeliveredError(f"{what}: not done within {duration(limit_s)}")
        signal.setitimer(signal.ITIMER_REAL, min(_LOOK_EVERY_S, left_s))

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, min(_LOOK_EVERY_S, limit_s))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _wait(
    wait_s: float,
    wants_stop: Callable[[], bool],
    monotonic: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    """Wait in short steps, so that a stop is heard."""
    ends_s = monotonic() + wait_s
    while not wants_stop() and (left_s := ends_s - monotonic()) > 0:
        sleep(min(left_s, _STEP_S))
