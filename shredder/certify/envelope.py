"""The DSSE envelope around the statement, and the Sigstore bundle made from it.

There is one way to write an envelope, and only that is read back, so that no byte of
the file can change without notice.

Source: Dead Simple Signing Envelope 1.0.2, protocol.md and envelope.md; Sigstore bundle v0.3.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from shredder import records
from shredder.certify.keys import PrivateKey, PublicKey, key_id
from shredder.errors import CertificateError, ShredderError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and its one signature over `pae(PAYLOAD_TYPE, payload)`."""

    payload: bytes
    keyid: str
    signature: bytes


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return DSSE's pre-authentication encoding: the exact bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(payload: bytes, key: PrivateKey) -> Envelope:
    """Sign a payload."""
    message = pae(PAYLOAD_TYPE, payload)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signature = key.sign(message, ec.ECDSA(SHA256()))
    else:
        signature = key.sign(message)
    return Envelope(payload, key_id(key.public_key()), signature)


def verify(envelope: Envelope, key: PublicKey) -> bytes:
    """Return the payload when the key signed it.

    Raises:
        CertificateError: it did not.
    """
    if envelope.keyid != key_id(key):
        raise CertificateError(
            "the certificate was signed with another key",
            hint=f"it names key {envelope.keyid[:16]}..., the one given is {key_id(key)[:16]}...",
        )
    message = pae(PAYLOAD_TYPE, envelope.payload)
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(envelope.signature, message, ec.ECDSA(SHA256()))
        else:
            key.verify(envelope.signature, message)
    except InvalidSignature:
        raise CertificateError("the certificate's signature is not valid: it was changed") from None
    return envelope.payload


def _to_record(envelope: Envelope) -> dict[str, Any]:
    return {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": envelope.keyid, "sig": base64.b64encode(envelope.signature).decode()}],
    }


def envelope_bytes(envelope: Envelope) -> bytes:
    """Return the certificate file's bytes: one line of canonical JSON."""
    return records.canonical(_to_record(envelope)) + b"\n"


def read_envelope(data: bytes) -> Envelope:
    """Read a certificate file. The signature is not looked at.

    Raises:
        CertificateError: it is not exactly what `envelope_bytes` writes.
    """
    try:
        record = records.parse(data, "the certificate")
    except ShredderError as error:
        raise CertificateError(error.message, hint="is it a certificate.json of shredder?") from None
    match record:
        case {
            "payload": str(payload),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"keyid": str(keyid), "sig": str(signature)}],
        }:
            envelope = Envelope(_decode(payload), keyid, _decode(signature))
        case _:
            raise CertificateError("the certificate is not a DSSE envelope with one signature")
    if not _is_as_written(envelope, data):
        raise CertificateError("the certificate file was changed after it was written")
    return envelope


def _is_as_written(envelope: Envelope, data: bytes) -> bool:
    try:
        return envelope_bytes(envelope) == data
    except ShredderError:
        return False


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise CertificateError("the certificate holds text that is not base64") from None


def to_bundle(envelope: Envelope) -> dict[str, Any]:
    """Return the same as a Sigstore bundle v0.3, for cosign and sigstore-js."""
    return {
        "mediaType": _BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": envelope.keyid}},
        "dsseEnvelope": _to_record(envelope),
    }
