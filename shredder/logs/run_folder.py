"""What becomes of the folders of runs over logs: certified at the end, or by the next run."""

import contextlib
import hashlib
import os
from pathlib import Path

from shredder.certify.evidence import EvidenceLog, read_evidence
from shredder.certify.keys import PrivateKey, public_pem
from shredder.certify.log_findings import find_logs
from shredder.certify.log_reports import LogsReport
from shredder.certify.log_statement import make_logs_statement
from shredder.certify.run_folder import (
    CERTIFICATE,
    EVIDENCE,
    PATH_SALT,
    PUBLIC_KEY,
    RESERVE,
    RunFolder,
    certificate_files,
)
from shredder.errors import CertificateError, RefusedError, UndeliveredError
from shredder.logs.durable import replace_file


def open_run_folder(path: Path, key: PrivateKey, salt: bytes | None) -> RunFolder:
    """Make the folder of a run, with what must be there before anything is touched.

    Args:
        path: new or empty.
        key: its public half is written.
        salt: what paths are hidden with, for its owner; None where they are not.

    Raises:
        RefusedError: it cannot be used; no log was touched.
    """
    folder = RunFolder(path, "no log was touched", mode=0o700)
    try:
        folder.write(PUBLIC_KEY, public_pem(key.public_key()))
        if salt:
            folder.write(PATH_SALT, salt.hex().encode() + b"\n", private=True)
    except UndeliveredError as error:
        raise RefusedError(f"{error.message}; no log was touched") from None
    return folder


def certify_run(folder: RunFolder, log: EvidenceLog, report: LogsReport, key: PrivateKey) -> str:
    """Sign a certificate of a run that has ended; returns the digest of its evidence.

    Raises:
        UndeliveredError: the evidence is not as it was written, or the certificate cannot be written.
    """
    folder.release()
    folder.check_evidence(log)
    _certify(folder.path, report, log.sha256, key)
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
            for name in (RESERVE, PUBLIC_KEY, PATH_SALT, EVIDENCE):
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
        (folder / RESERVE).unlink(missing_ok=True)
    except OSError as error:
        raise UndeliveredError(f"{folder}: no certificate ({error.strerror})") from None
    digest = hashlib.sha256(whole).hexdigest()
    _certify(folder, find_logs(entries), digest, key)
    return digest


def _certify(folder: Path, report: LogsReport, digest: str, key: PrivateKey) -> None:
    """A run that was killed may have left any of these files, whole or not."""
    signed = certificate_files(make_logs_statement(report, digest, EVIDENCE), key)
    try:
        for name, content in {PUBLIC_KEY: public_pem(key.public_key()), **signed}.items():
            replace_file(folder / name, content)
    except OSError as error:
        raise UndeliveredError(f"{folder}: no certificate ({error.strerror})") from None
