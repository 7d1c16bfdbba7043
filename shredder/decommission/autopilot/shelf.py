"""The runs of this boot, in memory, and which of them have left the machine.

The autopilot may be started again (a crash, an operator); an unattended run happens once a boot. A run that
a crash cut off is certified by the evidence it left.
"""

import fcntl
import os
from pathlib import Path

from shredder.certify import run_folder
from shredder.certify.evidence import read_evidence
from shredder.certify.findings import find
from shredder.certify.keys import PrivateKey, public_pem
from shredder.certify.reports import RunReport
from shredder.decommission.job import make_certificate
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
            # not flock: a worker that hangs on a disk would inherit it, and keep it after a crash
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
        """Write down that what is in a run's folder has left the machine; not without a certificate."""
        if (folder / run_folder.CERTIFICATE).exists():
            (folder / _DELIVERED).touch()

    def written(self) -> tuple[Path, ...]:
        """Return the folders of the runs that may have written to disks."""
        return tuple(
            folder
            for folder in sorted((self._folder / "runs").glob("*"))
            if (folder / run_folder.EVIDENCE).exists() and _was_opened(folder / run_folder.EVIDENCE)
        )

    def undelivered(self) -> tuple[Path, ...]:
        """Return those of them that have not left the machine."""
        return tuple(folder for folder in self.written() if not (folder / _DELIVERED).exists())


def conclude(folder: Path, key: PrivateKey) -> RunReport:
    """Return what a run came to; one without a certificate gets it now.

    Args:
        folder: the run's.
        key: signs the certificate.

    Raises:
        CertificateError: the evidence is not as the run would have written it.
        OSError: a file cannot be read or written.
    """
    place = folder / run_folder.EVIDENCE
    content = place.read_bytes()
    evidence = content[: content.rfind(b"\n") + 1]
    entries = read_evidence(evidence, str(place))
    # the bundle is the last file that a run writes
    if not (folder / run_folder.BUNDLE).exists():
        if evidence != content:  # half a line would make those before it unreadable
            os.truncate(place, len(evidence))
        (folder / run_folder.PUBLIC_KEY).write_bytes(public_pem(key.public_key()))
        for name, signed in make_certificate(entries, evidence, key).items():
            (folder / name).write_bytes(signed)
    return find(entries)


def _was_opened(evidence: Path) -> bool:
    """True when a target was opened; before that nothing is written to any."""
    return b'"event":"device-opened"' in evidence.read_bytes()
