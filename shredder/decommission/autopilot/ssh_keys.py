"""The operator's public keys, as OpenSSH writes them (RFC 4253, 6.6; OpenSSH's PROTOCOL.u2f for sk-)."""

import base64
import binascii

from shredder.errors import UsageError
from shredder.settings import Table

_KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def check_ssh_key(line: str, table: Table) -> str:
    """Return the line, which is one public key without options.

    Args:
        line: e.g. "ssh-ed25519 AAAA... operator".
        table: where it stands, for the error.

    Raises:
        UsageError: it is not.
    """
    kind, _, rest = line.partition(" ")
    blob = rest.split(" ")[0]
    if kind not in _KINDS or "\n" in line or not _holds(blob, kind):
        raise _error(table)
    return line


def _holds(blob: str, kind: str) -> bool:
    """A key's bytes begin with the length and the name of its kind."""
    try:
        data = base64.b64decode(blob, validate=True)
    except (binascii.Error, ValueError):
        return False
    return data.startswith(len(kind).to_bytes(4, "big") + kind.encode()) and len(data) > len(kind) + 4


def _error(table: Table) -> UsageError:
    hint = f"a line of a .pub file: its kind ({', '.join(_KINDS)}), a blank and the key; no options before"
    return table.error("keys", "holds something that is no public key", hint=hint)
