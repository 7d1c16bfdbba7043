"""No delivery: the operator said that the certificate stays on the machine."""

from collections.abc import Callable, Sequence
from pathlib import Path


class NoDestination:
    """Delivers nothing, and says so.

    Args:
        say: tells the people at the machine one line.
    """

    name = "nowhere"

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def prove(self, start: Path) -> None:  # noqa: ARG002 - a destination takes it
        """Say that there is nothing to prove."""
        self._say("nothing will be delivered, as configured: the certificate stays in this machine's memory")

    def deliver(self, files: Sequence[Path]) -> None:
        """Say where the files are."""
        where = ", ".join(dict.fromkeys(str(file.parent) for file in files))
        self._say(f"nothing was delivered, as configured: the files are in {where or 'no folder'}, in memory")
