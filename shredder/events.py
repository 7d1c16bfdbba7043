"""What happens during a run, one frozen record each: the engine reports them, the evidence log keeps them.

`path` is always the target's path in the plan. Passes are numbered from 1. Times are not in
the events: the log stamps each entry when it takes it.
"""

from dataclasses import dataclass
from typing import TypeAlias

from shredder.model import Identity, LeftOut, Plan, Profile, Refusal, VerifyKind
from shredder.ranges import Range


@dataclass(frozen=True, slots=True)
class Stream:
    """The random streams of one target.

    `nonce_hex` is the HKDF salt; `key_digests` holds the SHA-256 of each pass's key, "" for a pattern.
    """

    path: str
    nonce_hex: str
    key_digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Stands in the evidence before the first write."""

    run_id: str
    tool_version: str
    plan_digest: str
    plan: Plan
    profile: Profile
    streams: tuple[Stream, ...]


@dataclass(frozen=True, slots=True)
class DeviceRefused:
    """The target was not opened for writing, or given back untouched."""

    path: str
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class DeviceOpened:
    """All facts were gathered again on the open descriptor and agree with the plan.

    `direct` is False when the medium's file system takes no O_DIRECT: reads may then come from the cache.
    """

    path: str
    identity: Identity
    direct: bool


@dataclass(frozen=True, slots=True)
class PassStarted:
    """Writing begins."""

    path: str
    number: int


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """Ranges that took no data after retries, exact to the logical sector."""

    path: str
    number: int
    ranges: tuple[Range, ...]
    error: str


@dataclass(frozen=True, slots=True)
class PassEnded:
    """Writing of one pass is over, and the flush was tried.

    `written` was accepted by the device; it counts only when `flush_error` is None. `gave_up` says
    why the pass ended early on its own (device gone, too many errors), `stopped` that it was told to.
    """

    path: str
    number: int
    written: tuple[Range, ...]
    unwritten: tuple[Range, ...]
    write_errors: int
    flush_error: str | None
    gave_up: str | None
    stopped: bool
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class VerifyStarted:
    """Reading back begins, after the last flush.

    For `sampled`, `seed_hex` was drawn after the last write; mixed with the plan's nonce it
    gives the sampled places. `independent` counts the 4 KiB samples drawn independently
    (0 when everything is read).
    """

    path: str
    number: int
    kind: VerifyKind
    seed_hex: str
    ranges_bytes: int
    independent: int


@dataclass(frozen=True, slots=True)
class VerifyEnded:
    """Reading back is over.

    Bytes in `mismatches` (whole sectors) differ, those in `unreadable` gave read errors.
    """

    path: str
    number: int
    checked_bytes: int
    mismatches: tuple[Range, ...]
    unreadable: tuple[Range, ...]
    read_errors: int
    gave_up: str | None
    stopped: bool
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class AliasRead:
    """What the last pass wrote was looked for through another path, after the last flush.

    `checked_bytes` were compared, and `differing_bytes` of them, in whole sectors, are not what was
    written: `alias` leads to another medium then. `error` says why not everything could be read.
    """

    path: str
    alias: str
    to_check_bytes: int
    checked_bytes: int
    differing_bytes: int
    error: str | None
    stopped: bool


@dataclass(frozen=True, slots=True)
class DeviceEnded:
    """The target's worker is done.

    `error` when it failed as a whole, `may_still_write` when it could not be ended.
    """

    path: str
    error: str | None
    may_still_write: bool


@dataclass(frozen=True, slots=True)
class LookedAgain:
    """After the last device, where all disks were to be wiped: those that the plan does not know.

    `error` says why that cannot be told.
    """

    appeared: tuple[LeftOut, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last entry of every run that was not killed."""

    interrupted: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass or the verification has come; for people, never in the evidence."""

    path: str
    number: int
    verifying: bool
    done_bytes: int
    total_bytes: int
    errors: int


Recorded: TypeAlias = (
    RunStarted
    | DeviceRefused
    | DeviceOpened
    | PassStarted
    | WriteFailed
    | PassEnded
    | VerifyStarted
    | VerifyEnded
    | AliasRead
    | DeviceEnded
    | LookedAgain
    | RunEnded
)
Event: TypeAlias = Recorded | Progress
