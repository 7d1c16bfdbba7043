"""Signing keys: ECDSA P-256, which every verifier takes, and Ed25519."""

import hashlib
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)

from shredder.errors import CertificateError, UsageError

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_TAKEN = "ECDSA P-256 and Ed25519 keys are taken, as PEM or DER"


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def needs_passphrase(data: bytes) -> bool:
    """Return whether a private key's file is encrypted; False also for what is no key."""
    try:
        _load_private(data, None)
    except TypeError:  # how the library says that a passphrase is missing
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return False


def load_private_key(data: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """Read a private key, PEM or DER.

    Raises:
        UsageError: it cannot be read, its passphrase is missing or wrong, or it is of another kind.
    """
    try:
        key = _load_private(data, passphrase)
    except TypeError:
        what = "is encrypted, and no passphrase was given" if passphrase is None else "takes no passphrase"
        raise UsageError(f"the private key {what}") from None
    except (ValueError, UnsupportedAlgorithm):
        what = "no private key can be read from the file"
        raise UsageError(
            what if passphrase is None else f"{what} with this passphrase", hint=_TAKEN
        ) from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise UsageError("the private key is of a kind that is not taken", hint=_TAKEN)


def load_public_key(data: bytes) -> PublicKey:
    """Read a public key, PEM or DER.

    Raises:
        CertificateError: it cannot be read, or is of another kind.
    """
    load = load_pem_public_key if _is_pem(data) else load_der_public_key
    try:
        key = load(data)
    except (ValueError, UnsupportedAlgorithm):
        raise CertificateError("no public key can be read from the file", hint=_TAKEN) from None
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise CertificateError("the public key is of a kind that is not taken", hint=_TAKEN)


def _is_pem(data: bytes) -> bool:
    return b"-----BEGIN" in data


def _load_private(data: bytes, passphrase: bytes | None) -> object:
    load = load_pem_private_key if _is_pem(data) else load_der_private_key
    return load(data, passphrase)


def is_ed25519_key(key: PublicKey) -> bool:
    """Return whether it is an Ed25519 key; else it is ECDSA P-256."""
    return isinstance(key, ed25519.Ed25519PublicKey)


def key_id(key: PublicKey) -> str:
    """Return the SHA-256 of the SubjectPublicKeyInfo in DER, in hex (RFC 5280, 4.1.2.7)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def public_pem(key: PublicKey) -> bytes:
    """Return the public key as PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: PrivateKey, passphrase: bytes | None = None) -> bytes:
    """Return the private key as PKCS#8 PEM, encrypted where there is a passphrase."""
    locked: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        locked = BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
