"""Trying again: with longer and longer pauses, until it works, a deadline passes or somebody stops it."""

from collections.abc import Callable

from shredder.errors import UndeliveredError
from shredder.units import duration

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 120.0
_STEP_S = 1.0


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
        what: is delivered, e.g. "the start entry".
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
            say(f"delivering {what} failed: {error.message}; trying again in {duration(wait_s)}")
            if error.hint:
                say(f"hint: {error.hint}")
        _wait(wait_s, wants_stop, monotonic, sleep)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
    raise UndeliveredError(f"delivering {what} was stopped")


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
