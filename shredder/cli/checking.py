"""Reading a certificate with what lies beside it; shared by `certificate` and `audit`."""

from pathlib import Path

from shredder.certify.keys import PublicKey, load_public_key
from shredder.certify.run_folder import PUBLIC_KEY
from shredder.certify.trust import Checked, check_certificate, find_evidence_name
from shredder.cli.files import read_bytes
from shredder.cli.options import path_option

trust_option = path_option("--trust", help_text="Public key (PEM) of the signer that you trust.")


def read_certificate(path: Path, trust: Path | None, *, integrity_only: bool) -> Checked:
    """Check the certificate at `path` against the evidence beside it.

    Raises:
        UsageError: a file cannot be read.
        CertificateError: it does not hold.
    """
    envelope = read_bytes(path)
    return check_certificate(
        envelope,
        _find_evidence(path.parent, find_evidence_name(envelope)),
        load_public_key(read_bytes(trust)) if trust else None,
        integrity_only=integrity_only,
        found_key=_find_key(path) if integrity_only and trust is None else None,
    )


def _find_evidence(folder: Path, name: str) -> bytes | None:
    try:
        return read_bytes(folder / name) if (folder / name).is_file() else None
    except OSError:  # a name that no file can have
        return None


def _find_key(certificate: Path) -> PublicKey | None:
    beside = certificate.parent / PUBLIC_KEY
    return load_public_key(read_bytes(beside)) if beside.is_file() else None
