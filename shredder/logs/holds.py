"""Holds by hand and by the policy's check: a small file in the state folder, replaced as a whole."""

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shredder.errors import RefusedError, ShredderError, UsageError
from shredder.log_policy import HeldBy, Hold, Policy
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


class HandHold:
    """Tells whether a person holds a rule at that moment; so cheap that it can be asked for every file.

    Args:
        state: the policy's state folder.
        name: the rule's.
    """

    def __init__(self, state: Path, name: str) -> None:
        self._state = state
        self._name = name
        self._seen: tuple[int, int] | None = None
        self._holds: tuple[Hold, ...] = ()

    def find(self, now_s: int) -> Hold | None:
        """Return the hold that is in force.

        Raises:
            UsageError: the file cannot be read.
        """
        try:
            facts = (self._state / _NAME).stat()
            seen = (facts.st_ino, facts.st_mtime_ns)
        except OSError:
            seen = None  # not there; or reading says why it cannot be told
        if seen is None or seen != self._seen:
            self._holds = tuple(_by_hand(read_holds(self._state)))
            self._seen = seen
        mine = (hold for hold in self._holds if hold.name == self._name)
        return next((hold for hold in mine if hold.is_in_force(now_s)), None)


def refuse_orphans(policy: Policy, now_s: int) -> None:
    """Refuse a policy without the rule that a person holds: it may have another name now.

    Raises:
        RefusedError: there is such a hold in force.
        UsageError: the file of holds cannot be read.
    """
    names = {rule.name for rule in policy.rules}
    for hold in _by_hand(read_holds(Path(policy.state))):
        if hold.is_in_force(now_s) and hold.name not in names:
            why = f"{hold.name} is held by {hold.who}, and {policy.path} has no rule of that name"
            hint = f"give the rule its name again, or: shredder logs release {policy.path} {hold.name}"
            raise RefusedError(f"{why}: {hold.reason}", hint=hint)


def _by_hand(holds: Iterable[Hold]) -> Iterator[Hold]:
    return (hold for hold in holds if hold.by is HeldBy.HAND)


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


def release_rule(state: Path, name: str, now_s: int) -> Hold:
    """End the hold that a person has set, or, where there is none, that of the policy's own check.

    The check is asked again by the next run, and what it holds then counts anew.

    Raises:
        UsageError: the rule is not held.
        ShredderError: it cannot be written.
    """
    held = {hold.by for hold in read_holds(state) if hold.name == name and hold.is_in_force(now_s)}
    by = HeldBy.HOOK if held == {HeldBy.HOOK} else HeldBy.HAND
    return release_hold(state, name, by, now_s)


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
