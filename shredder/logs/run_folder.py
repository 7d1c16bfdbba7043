"""The folder that a run over logs writes into: evidence, certificate, public key, the salt of hidden paths.

Room for the certificate is reserved before anything is touched: a disk that fills up must not take it away.
"""

import contextlib
import hashlib
import os
from pathlib import Path

from shredder.certify.envelope import envelope_bytes, sign, to_bundle
from shredder.certify.evidence import EvidenceLog, read_evidence
from shredder.certify.keys import PrivateKey, public_pem
from shredder.certify.log_findings import find_logs
from shredder.certify.log_reports import LogsReport
from shredder.certify.log_statement import make_logs_statement
from shredder.certify.statement import statement_bytes
from shredder.errors import CertificateError, RefusedError, UndeliveredError
from shredder.logs.durable import replace_file, write_new
from shredder.records import canonical
from shredder.units import MIB

EVIDENCE = "evidence.jsonl"
CERTIFICATE = "certificate.json"
BUNDLE = "certificate.sigstore.json"
PUBLIC_KEY = "public-key.pem"
SALT = "path-salt.hex"
_RESERVE = ".reserved"
_RESERVE_BYTES = 4 * MIB


class LogsFolder:
    """Makes the folder and reserves room in it.

    Args:
        path: the folder; it must not be there, or be empty.

    Raises:
        RefusedError: it cannot be made, holds something already, or lacks room; no log was touched.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise RefusedError(f"{path} is not empty", hint="name a new folder with --output")
            self._reserve()
        except OSError as error:
            with contextlib.suppress(OSError):
                path.rmdir()
            message = f"the folder {path} cannot be used ({error.strerror}); no log was touched"
            raise RefusedError(message, hint="name another folder with --output") from None

    def _reserve(self) -> None:
        place = self.path / _RESERVE
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _RESERVE_BYTES)
            os.fsync(descriptor)
        except OSError:
            place.unlink()
            raise
        finally:
            os.close(descriptor)

    def write_first_files(self, key: PrivateKey, salt: bytes | None) -> None:
        """Write what must be there before anything is touched.

        Raises:
            RefusedError: it cannot be written.
        """
        try:
            write_new(self.path / PUBLIC_KEY, public_pem(key.public_key()), mode=0o644)
            if salt:
                write_new(self.path / SALT, salt.hex().encode() + b"\n")
        except OSError as error:
            raise RefusedError(
                f"{self.path} cannot be written to ({error.strerror}); no log was touched"
            ) from None

    def release(self) -> None:
        """Give the reserved room back, for the certificate."""
        with contextlib.suppress(OSError):
            (self.path / _RESERVE).unlink()

    def certify(self, log: EvidenceLog, report: LogsReport, key: PrivateKey) -> str:
        """Sign a certificate of a run that has ended; returns the digest of its evidence.

        The evidence is read back: a certificate over a file that somebody changed would be worth nothing.

        Raises:
            UndeliveredError: the evidence is not as it was written, or the certificate cannot be written.
        """
        self.release()
        try:
            with open(self.path / EVIDENCE, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != log.sha256:
                    raise UndeliveredError("the evidence was changed by somebody else during the run")
        except OSError as error:
            raise UndeliveredError(f"the evidence cannot be read back ({error.strerror})") from None
        _certify(self.path, report, log.sha256, key)
        return log.sha256


def tidy_runs(runs: Path, key: PrivateKey) -> None:
    """Certify what killed runs recorded; remove what is left of those that had not recorded anything.

    Those touched nothing either. What cannot be certified stays as it is.
    """
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        with contextlib.suppress(OSError, CertificateError, UndeliveredError):
            if (folder / CERTIFICATE).exists():
                continue
            if _has_entries(folder):
                certify_killed(folder, key)
                continue
            for name in (_RESERVE, PUBLIC_KEY, SALT, EVIDENCE):
                (folder / name).unlink(missing_ok=True)
            folder.rmdir()


def _has_entries(folder: Path) -> bool:
    try:
        return b"\n" in (folder / EVIDENCE).read_bytes()
    except FileNotFoundError:
        return False


def certify_killed(folder: Path, key: PrivateKey) -> str:
    """Sign a certificate of what a killed run recorded; returns the digest of its evidence.

    What there is of a last line that it could not finish is cut off first.

    Raises:
        CertificateError: there is no evidence that holds together.
        UndeliveredError: the certificate cannot be written.
    """
    try:
        evidence = (folder / EVIDENCE).read_bytes()
        whole = evidence[: evidence.rfind(b"\n") + 1]
        entries = read_evidence(whole, str(folder / EVIDENCE))
        if whole != evidence:
            os.truncate(folder / EVIDENCE, len(whole))
        (folder / _RESERVE).unlink(missing_ok=True)
    except OSError as error:
        raise UndeliveredError(f"{folder}: no certificate ({error.strerror})") from None
    digest = hashlib.sha256(whole).hexdigest()
    _certify(folder, find_logs(entries), digest, key)
    return digest


def _certify(folder: Path, report: LogsReport, digest: str, key: PrivateKey) -> None:
    try:
        envelope = sign(statement_bytes(make_logs_statement(report, digest, EVIDENCE)), key)
        replace_file(folder / PUBLIC_KEY, public_pem(key.public_key()))
        replace_file(folder / CERTIFICATE, envelope_bytes(envelope))
        replace_file(folder / BUNDLE, canonical(to_bundle(envelope)) + b"\n")
    except OSError as error:
        raise UndeliveredError(f"{folder}: no certificate ({error.strerror})") from None
