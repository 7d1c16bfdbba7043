"""Holds by hand and by the policy's check: a small file in the state folder, replaced as a whole."""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shredder.errors import ShredderError, UsageError
from shredder.log_policy import HeldBy, Hold
from shredder.records import canonical, from_json, parse

VERSION = 1
_NAME = "holds.json"
_LOCK = "holds.lock"


@dataclass(frozen=True, slots=True)
class _Document:
    version: int
    holds: tuple[Hold, ...]


def read_holds(state: Path) -> tuple[Hold, ...]:
    """Return all holds on record, also those that are over and not yet in the evidence of a run.

    Args:
        state: the policy's state folder; it need not be there.

    Raises:
        UsageError: the file is not as we write it. A hold that cannot be read must not be overlooked.
    """
    path = state / _NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    document = from_json(_Document, parse(data, str(path)), str(path))
    if document.version != VERSION:
        raise UsageError(f"{path} has version {document.version}, this program knows {VERSION}")
    return document.holds


def add_hold(state: Path, hold: Hold) -> None:
    """Put a hold on record.

    Raises:
        UsageError: the rule is held by the same side already.
        ShredderError: it cannot be written.
    """
    with _locked(state):
        holds = read_holds(state)
        for other in holds:
            if (other.name, other.by) == (hold.name, hold.by) and other.is_in_force(hold.since_s):
                raise UsageError(f"{hold.name} is held already: {other.reason}", hint="release it first")
        _write(state, (*holds, hold))


def release_hold(state: Path, name: str, by: HeldBy, now_s: int) -> Hold:
    """Put on record that a hold is over; returns it.

    Raises:
        UsageError: the rule is not held by that side.
        ShredderError: it cannot be written.
    """
    with _locked(state):
        holds = read_holds(state)
        for at, hold in enumerate(holds):
            if (hold.name, hold.by) == (name, by) and hold.is_in_force(now_s):
                released = replace(hold, released_s=now_s)
                _write(state, (*holds[:at], released, *holds[at + 1 :]))
                return released
    raise UsageError(f"{name} is not held")


def forget_holds(state: Path, told: Collection[Hold], now_s: int) -> None:
    """Take holds off the record that are over, and stand so in the evidence of a run.

    Args:
        state: the policy's state folder.
        told: what stands in the evidence.
        now_s: seconds since 1970.

    Raises:
        ShredderError: the file cannot be written.
    """
    with _locked(state):
        holds = read_holds(state)
        kept = tuple(hold for hold in holds if hold.is_in_force(now_s) or hold not in told)
        if kept != holds:
            _write(state, kept)


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    """Keep two commands from losing each other's change."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise ShredderError(f"cannot use the state folder {state}: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(state: Path, holds: tuple[Hold, ...]) -> None:
    """Replace the file: after a loss of power it is the old one or the new one."""
    data = canonical(_Document(VERSION, holds)) + b"\n"
    fresh = state / f"{_NAME}.new"
    try:
        with open(fresh, "wb", opener=_open_private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(state / _NAME)
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ShredderError(f"cannot write {state / _NAME}: {error.strerror}") from None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
