"""The runs of this boot, in memory, and which of them have left the machine.

The autopilot may be started again (a crash, an operator); an unattended run happens once a boot.
"""

import fcntl
import os
from pathlib import Path

from shredder.decommission import run_folder
from shredder.errors import RefusedError

_DELIVERED = ".delivered"
_BEGUN = "unattended-run-begun"
_LOCK = "autopilot.lock"


class Shelf:
    """Where the runs are.

    Args:
        folder: in memory; made where it is not there.

    Raises:
        RefusedError: another autopilot is at work.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise RefusedError("the autopilot is running already", hint="it is on the consoles") from None

    def close(self) -> None:
        """Let another autopilot work."""
        os.close(self._lock)

    @property
    def has_begun(self) -> bool:
        """Whether an unattended run was begun since the machine started."""
        return (self._folder / _BEGUN).exists()

    def note_begun(self) -> None:
        """Write down that an unattended run begins."""
        (self._folder / _BEGUN).touch()

    def place(self, run_id: str) -> Path:
        """Return the folder for a run; `carry_out` makes it."""
        return self._folder / "runs" / run_id

    def note_delivered(self, folder: Path) -> None:
        """Write down that what is in a run's folder has left the machine."""
        (folder / _DELIVERED).touch()

    def undelivered(self) -> tuple[Path, ...]:
        """Return the folders of the runs that may have written to disks and have not left the machine."""
        return tuple(
            folder
            for folder in sorted((self._folder / "runs").glob("*"))
            if (folder / run_folder.EVIDENCE).exists()
            and not (folder / _DELIVERED).exists()
            and _was_opened(folder / run_folder.EVIDENCE)
        )


def _was_opened(evidence: Path) -> bool:
    """True when a target was opened; before that nothing is written to any."""
    return b'"event":"device-opened"' in evidence.read_bytes()
