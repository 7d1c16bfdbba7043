"""The folder a run writes into: evidence, certificate, public key, and what else its kind of run leaves.

Room for the certificate is reserved before the first write, so that a disk that fills up
later does not take it away.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Any

from shredder.certify.envelope import envelope_bytes, sign, to_bundle
from shredder.certify.evidence import EvidenceLog
from shredder.certify.keys import PrivateKey
from shredder.certify.statement import statement_bytes
from shredder.errors import RefusedError, UndeliveredError
from shredder.records import canonical
from shredder.units import MIB

PLAN = "plan.json"
EVIDENCE = "evidence.jsonl"
CERTIFICATE = "certificate.json"
BUNDLE = "certificate.sigstore.json"
PUBLIC_KEY = "public-key.pem"
STREAM_KEYS = "stream-keys.json"
PATH_SALT = "path-salt.hex"
RESERVE = ".reserved"
_RESERVE_BYTES = 4 * MIB


def check_unused(path: Path) -> None:
    """Make sure, before anybody is asked for anything, that a folder is new or empty.

    Raises:
        RefusedError: it is not.
    """
    try:
        used = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise RefusedError(f"the output folder {path} cannot be used: {error.strerror}") from None
    if used:
        raise RefusedError(f"{path} is not an empty folder", hint="name a new folder with --output")


class RunFolder:
    """Creates the folder and reserves room in it.

    Args:
        path: the folder; it must not exist, or be empty.
        untouched: what to say where it cannot be used, e.g. "nothing was wiped".
        mode: who may use a new one.

    Raises:
        RefusedError: it cannot be made, holds something already, or lacks room; no target was touched.
    """

    def __init__(self, path: Path, untouched: str, mode: int = 0o755) -> None:
        self.path = path
        check_unused(path)
        try:
            path.mkdir(mode, parents=True, exist_ok=True)
            self._reserve()
        except OSError as error:
            with contextlib.suppress(OSError):
                path.rmdir()
            message = f"the output folder {path} cannot be used: {error.strerror}; {untouched}"
            raise RefusedError(message, hint="name another folder with --output") from None

    def _reserve(self) -> None:
        place = self.path / RESERVE
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
            os.fsync(descriptor)
        except OSError:
            place.unlink()
            raise
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Give the reserved room back, for the certificate."""
        with contextlib.suppress(OSError):
            (self.path / RESERVE).unlink()

    def write(self, name: str, content: bytes, *, private: bool = False) -> Path:
        """Write a new file and make it durable.

        Args:
            name: its name in the folder.
            content: its bytes.
            private: readable by the owner only.

        Raises:
            UndeliveredError: it could not be written.
        """
        place = self.path / name
        try:
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            self._sync()
        except OSError as error:
            raise UndeliveredError(f"{place} could not be written: {error.strerror}") from None
        return place

    def check_evidence(self, log: EvidenceLog) -> None:
        """Read the evidence back: a certificate over a file that somebody changed would be worth nothing.

        Raises:
            UndeliveredError: it is not as it was written, or cannot be read.
        """
        try:
            with open(self.path / EVIDENCE, "rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == log.sha256
        except OSError as error:
            raise UndeliveredError(f"the evidence cannot be read back: {error.strerror}") from None
        if not same:
            raise UndeliveredError("the evidence was changed by somebody else during the run")

    def _sync(self) -> None:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def certificate_files(statement: dict[str, Any], key: PrivateKey) -> dict[str, bytes]:
    """Return the certificate's files by name, in the order in which they are written.

    Args:
        statement: what is signed.
        key: signs it.
    """
    envelope = sign(statement_bytes(statement), key)
    return {CERTIFICATE: envelope_bytes(envelope), BUNDLE: canonical(to_bundle(envelope)) + b"\n"}
