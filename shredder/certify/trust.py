"""Whether a certificate is genuine, and what it then says. No files, no clock: everything is an argument."""

import hashlib
from dataclasses import dataclass
from typing import Any

from shredder.certify.envelope import Envelope, read_envelope, verify
from shredder.certify.evidence import Entry, read_evidence
from shredder.certify.keys import PublicKey, is_ed25519_key
from shredder.certify.kinds import Report, find_any, read_any_statement, state_any
from shredder.certify.predicate import Subject, read_subject
from shredder.certify.statement import statement_bytes
from shredder.errors import CertificateError

SIGNER_UNKNOWN = "signer not established"


@dataclass(frozen=True, slots=True)
class Checked:
    """A certificate that holds. `report.exit_code` is what the command ends with.

    `trusted` is False when only its integrity was asked for; `notes` are for the reader.
    """

    report: Report
    statement: dict[str, Any]
    entries: tuple[Entry, ...]
    key_id: str
    is_ed25519: bool
    trusted: bool
    notes: tuple[str, ...]


def find_evidence_name(envelope_data: bytes) -> str:
    """Return the name of the evidence file that a certificate wants beside it. Nothing is checked yet.

    Raises:
        CertificateError: it is no certificate, or the name is more than a file name.
    """
    return read_subject(read_any_statement(read_envelope(envelope_data).payload)).name


def check_certificate(
    envelope_data: bytes,
    evidence: bytes | None,
    trusted_key: PublicKey | None,
    *,
    integrity_only: bool = False,
    found_key: PublicKey | None = None,
) -> Checked:
    """Check a certificate against its evidence.

    Args:
        envelope_data: the certificate file.
        evidence: the file that it names, None when it is not there.
        trusted_key: the key that the reader trusts.
        integrity_only: check without one; who signed then stays open.
        found_key: the key that lay beside the certificate, for `integrity_only`.

    Raises:
        CertificateError: the first step that failed.
    """
    # 1. The envelope is one, and exactly as it was written.
    envelope = read_envelope(envelope_data)
    # 2. Its signature is that of the key.
    key = _choose_key(envelope, trusted_key, integrity_only, found_key)
    payload = verify(envelope, key)
    # 3. What was signed is a statement of a known kind, with nothing unknown in it.
    statement = read_any_statement(payload)
    subject = read_subject(statement)
    # 4. The evidence is the file that the statement names.
    data = _match_evidence(evidence, subject)
    # 5. The evidence is well formed, and its chain has no gap.
    entries = read_evidence(data, subject.name)
    # 6. The statement says what follows from the evidence, and nothing else.
    if statement_bytes(state_any(entries, subject.sha256, subject.name)) != payload:
        raise CertificateError(
            "the certificate does not say what its evidence says",
            hint="do not rely on it; whoever signed it made it by other means",
        )
    # 7. What the run came to decides the exit code.
    trusted = trusted_key is not None
    notes = () if trusted else (SIGNER_UNKNOWN,)
    return Checked(find_any(entries), statement, entries, envelope.keyid, is_ed25519_key(key), trusted, notes)


def _choose_key(
    envelope: Envelope, trusted_key: PublicKey | None, integrity_only: bool, found_key: PublicKey | None
) -> PublicKey:
    if trusted_key is not None:
        return trusted_key
    if not integrity_only:
        raise CertificateError(
            "nothing was given to trust the certificate by",
            hint="give the signer's public key with --trust, or --integrity-only",
        )
    if found_key is None:
        raise CertificateError(
            "the signer's public key is not there",
            hint=f"put public-key.pem (key {envelope.keyid[:16]}...) beside the certificate",
        )
    return found_key


def _match_evidence(evidence: bytes | None, subject: Subject) -> bytes:
    if evidence is None:
        raise CertificateError(
            f"the evidence {subject.name} is missing", hint="put it beside the certificate"
        )
    if hashlib.sha256(evidence).hexdigest() != subject.sha256:
        raise CertificateError(f"{subject.name} is not the evidence that the certificate was made from")
    return evidence
