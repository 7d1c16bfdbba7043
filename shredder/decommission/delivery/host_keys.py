"""SSH keys in a configuration: the private key that logs in, and the server's public keys that are pinned."""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from shredder.settings import Table

_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_TAKEN = (Ed25519PrivateKey, EllipticCurvePrivateKey, RSAPrivateKey)


def read_private_key(table: Table, key: str, text: str) -> str:
    """Return a private key in OpenSSH's own format, which every OpenSSH reads.

    Args:
        table: where it stands.
        key: under this key.
        text: OpenSSH's format or PEM, not encrypted.

    Raises:
        UsageError: it is not such a key.
    """
    text = text.strip()
    load = serialization.load_ssh_private_key if _OPENSSH in text else serialization.load_pem_private_key
    try:
        private = load(f"{text}\n".encode(), None)
    except TypeError:
        raise table.error(key, "is encrypted", hint="nobody is there to type a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise table.error(key, "is not a private key (PEM or OpenSSH)") from None
    if isinstance(private, DSAPrivateKey) or not isinstance(private, _TAKEN):
        raise table.error(key, "is of a kind that SSH does not take", hint="Ed25519, ECDSA and RSA are fine")
    if _OPENSSH in text:
        return text + "\n"
    written = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    return written.decode()


def read_host_keys(table: Table, key: str, text: str) -> tuple[str, ...]:
    """Return the server's keys, each as "TYPE BASE64".

    Args:
        table: where they stand.
        key: under this key.
        text: one line a key, as in a public key file or as ssh-keyscan prints it (its host name is left out).

    Raises:
        UsageError: a line is no public key, or there is none.
    """
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    if not lines:
        raise table.error(key, "holds no key")
    return tuple(_read_line(table, key, line) for line in lines)


def _read_line(table: Table, key: str, line: str) -> str:
    words = line.split()
    for at in (0, 1):
        pair = " ".join(words[at : at + 2])
        try:
            serialization.load_ssh_public_key(pair.encode())
        except (ValueError, UnsupportedAlgorithm):
            continue
        return pair
    raise table.error(
        key, f'holds a line that is no public key: "{line[:40]}"', hint="e.g. what ssh-keyscan prints"
    )
