"""The countdown before an unattended wipe: on every console, and any key on any of them stops it."""

import time

from shredder.decommission.autopilot.consoles import Consoles

_SAID_AT_S = frozenset((1, 2, 3, 5, 10, 15, 20, 25, 30, 45))
_SAID_EVERY_S = 60


def count_down(consoles: Consoles, seconds: int) -> str | None:
    """Wait, and say how long still; what was typed and not read before counts too.

    Args:
        consoles: all of them.
        seconds: how long.

    Returns:
        The name of the console on which a key stopped it, or None when the time is up.
    """
    ends_s = time.monotonic() + seconds
    for left_s in range(seconds, 0, -1):
        if left_s == seconds or left_s in _SAID_AT_S or left_s % _SAID_EVERY_S == 0:
            consoles.say(f"the wipe begins in {left_s} s; ANY KEY STOPS IT")
        typed = consoles.wait_key(ends_s - (left_s - 1) - time.monotonic())
        if typed:
            return typed.console
    return None
