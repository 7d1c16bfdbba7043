"""The keys of the random passes, for the auditor: with them every sector can be checked again."""

import hashlib
from dataclasses import dataclass

from shredder import records
from shredder.errors import UsageError

VERSION = 1


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """One target: a key a pass, "" for a pattern pass. `path` is that in the plan."""

    path: str
    nonce_hex: str
    keys_hex: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreamKeys:
    """What `stream-keys.json` holds."""

    version: int
    run_id: str
    devices: tuple[DeviceKeys, ...]


def stream_keys_bytes(keys: StreamKeys) -> bytes:
    """Return the file's bytes."""
    return records.canonical(keys) + b"\n"


def read_stream_keys(data: bytes, where: str) -> StreamKeys:
    """Read the file.

    Args:
        data: its bytes.
        where: what the user knows it by, for errors.

    Raises:
        UsageError: it is not one, or of another version.
    """
    keys = records.from_json(StreamKeys, records.parse(data, where), where)
    if keys.version != VERSION:
        raise UsageError(f"{where}: version {keys.version} is not known", hint=f"this is version {VERSION}")
    return keys


def check_key(key_hex: str, digest: str) -> bool:
    """Return whether a key is the one whose SHA-256 is in the evidence; both are "" for a pattern pass."""
    if not key_hex or not digest:
        return key_hex == digest
    try:
        return hashlib.sha256(bytes.fromhex(key_hex)).hexdigest() == digest
    except ValueError:
        return False
