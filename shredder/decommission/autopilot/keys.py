"""Keys that end something: any key, or Ctrl-C twice. Once it is said, it stays said."""

import time
from collections.abc import Callable

from shredder.decommission.autopilot.consoles import Consoles

_CTRL_C = "\x03"
_AGAIN_WITHIN_S = 5.0


class AnyKey:
    """True from the first key on.

    Args:
        consoles: all of them.
    """

    def __init__(self, consoles: Consoles) -> None:
        self._consoles = consoles
        self._typed = False

    def __call__(self) -> bool:
        """Return whether a key was typed."""
        self._typed = self._typed or self._consoles.wait_key(0) is not None
        return self._typed


class StopKeys:
    """True from the second Ctrl-C on (within 5 s), or as soon as somebody else asks to stop.

    Args:
        consoles: all of them.
        asked: e.g. a signal came.
    """

    def __init__(self, consoles: Consoles, asked: Callable[[], bool]) -> None:
        self._consoles = consoles
        self._asked = asked
        self._first_s: float | None = None
        self._stopped = False

    def __call__(self) -> bool:
        """Return whether to stop."""
        typed = None if self._stopped else self._consoles.wait_key(0)
        for _ in range(typed.text.count(_CTRL_C) if typed else 0):
            self._hear()
        return self._stopped or self._asked()

    def _hear(self) -> None:
        now_s = time.monotonic()
        if self._first_s is not None and now_s - self._first_s <= _AGAIN_WITHIN_S:
            self._stopped = True
            self._consoles.say("stopping: the certificate will say how far it came")
        else:
            self._first_s = now_s
            self._consoles.say("Ctrl-C once more within 5 s stops the run")
