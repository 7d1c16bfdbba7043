"""The folder through which the operator fetches files over SSH: what is offered, and marks for what was done.

The run offers and waits; `shredder fetch`, in the operator's session, hands over and leaves the marks:

    run               the run's id; another run begins with an empty folder
    start.jsonl       the start entry
    start.fetched     it was handed over whole
    results/          links to the files of the finished run
    results.fetched   they were handed over whole
    received          the digest that the operator sent back
"""

import hashlib
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from shredder.certify import run_folder
from shredder.decommission.delivery.parcels import START
from shredder.decommission.volumes import RAM_FOLDER
from shredder.errors import CertificateError, UndeliveredError

FETCH_FOLDER = RAM_FOLDER / "fetch"

_RUN = "run"
_START_FETCHED = "start.fetched"
_RESULTS = "results"
_RESULTS_FETCHED = "results.fetched"
_RECEIVED = "received"


class FetchFolder:
    """Both sides of the folder.

    Args:
        path: the folder; made when something is offered.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def offer_start(self, run_id: str, start: Path) -> None:
        """Offer the start entry.

        Raises:
            UndeliveredError: the folder cannot be written.
        """
        try:
            self._begin(run_id)
            self._place(START, start.read_bytes())
        except OSError as error:
            raise self._unusable(error) from None

    def offer_results(self, run_id: str, files: Sequence[Path]) -> None:
        """Offer the files of the finished run; what was fetched of them before stays so.

        Raises:
            UndeliveredError: the folder cannot be written.
        """
        part = self._path / f"{_RESULTS}.part"
        try:
            self._begin(run_id)
            for old in (part, self._path / _RESULTS):
                if old.exists():
                    shutil.rmtree(old)
            part.mkdir()
            for file in files:
                (part / file.name).symlink_to(file.absolute())
            part.rename(self._path / _RESULTS)
        except OSError as error:
            raise self._unusable(error) from None

    @property
    def start_was_fetched(self) -> bool:
        """True once the start entry was handed over whole."""
        return self._has(_START_FETCHED)

    @property
    def results_were_received(self) -> bool:
        """True once the operator has sent the right digest back."""
        return self._has(_RECEIVED)

    def hand_over_start(self, out: BinaryIO) -> None:
        """Write the start entry to `out`; only when all of it went is it marked as fetched.

        Raises:
            UndeliveredError: it is not there yet, or did not go through.
        """
        self._need(START, "the start entry")
        try:
            out.write((self._path / START).read_bytes())
            out.flush()
            self._place(_START_FETCHED, b"")
        except OSError as error:
            raise _broken(error) from None

    def hand_over_results(self, out: BinaryIO) -> None:
        """Write the files to `out` as one tar archive, in a folder named by the run.

        Raises:
            UndeliveredError: they are not there yet, or did not go through.
        """
        self._need(_RESULTS, "the certificate")
        try:
            folder = f"shredder-{self._run_id()}"
            with tarfile.open(mode="w|", fileobj=out, dereference=True, format=tarfile.PAX_FORMAT) as archive:
                for file in sorted((self._path / _RESULTS).iterdir()):
                    archive.add(file, f"{folder}/{file.name}")
            out.flush()
            self._place(_RESULTS_FETCHED, b"")
        except OSError as error:
            raise _broken(error) from None

    def acknowledge(self, digest: str) -> str:
        """Take the operator's word that the files arrived; returns the name of the file it was about.

        Args:
            digest: the SHA-256 of the certificate, or of the evidence where there is no certificate; in hex.

        Raises:
            UndeliveredError: nothing was fetched yet.
            CertificateError: it is another digest.
        """
        self._need(_RESULTS, "the certificate")
        if not self._has(_RESULTS_FETCHED):
            raise UndeliveredError(
                "the results were not fetched yet",
                hint="`shredder fetch results > results.tar` hands them over",
            )
        file = self._path / _RESULTS / run_folder.CERTIFICATE
        if not file.exists():
            file = file.with_name(run_folder.EVIDENCE)
        try:
            right = hashlib.sha256(file.read_bytes()).hexdigest()
            if digest.strip().lower() != right:
                hint = f"`sha256sum {file.name}` prints it; fetch the results again if it still differs"
                raise CertificateError(f"that is not the digest of {file.name} on this machine", hint=hint)
            self._place(_RECEIVED, f"{right}\n".encode())
        except OSError as error:
            raise self._unusable(error) from None
        return file.name

    def describe(self) -> tuple[str, ...]:
        """Return how far it has come, in lines for people."""
        if not self._has(_RUN):
            return ("nothing is offered yet",)
        start = "was fetched" if self.start_was_fetched else "waits to be fetched: shredder fetch start"
        lines = [f"run {self._run_id()}", f"the start entry {start}" if self._has(START) else ""]
        if self.results_were_received:
            results = "the results were fetched and acknowledged"
        elif self._has(_RESULTS_FETCHED):
            results = "the results were fetched, not acknowledged: shredder fetch received DIGEST"
        elif self._has(_RESULTS):
            results = "the results wait to be fetched: shredder fetch results > results.tar"
        else:
            results = "the results are not there yet"
        return tuple(line for line in (*lines, results) if line)

    def _begin(self, run_id: str) -> None:
        """Make the folder; what another run left in it goes."""
        if self._has(_RUN) and self._run_id() != run_id:
            shutil.rmtree(self._path)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._place(_RUN, run_id.encode())

    def _place(self, name: str, content: bytes) -> None:
        """Write a file that is there whole or not at all."""
        part = self._path / f"{name}.part"
        part.write_bytes(content)
        part.replace(self._path / name)

    def _run_id(self) -> str:
        return (self._path / _RUN).read_text()

    def _has(self, name: str) -> bool:
        return (self._path / name).exists()

    def _need(self, name: str, what: str) -> None:
        if not self._has(name):
            hint = "`shredder fetch status` says how far it has come"
            raise UndeliveredError(f"{what} is not there yet", hint=hint)

    def _unusable(self, error: OSError) -> UndeliveredError:
        return UndeliveredError(f"{self._path} cannot be used: {error.strerror}")


def _broken(error: OSError) -> UndeliveredError:
    reason = "the connection broke" if isinstance(error, BrokenPipeError) else error.strerror
    return UndeliveredError(f"not everything went through: {reason}; it does not count as fetched")
