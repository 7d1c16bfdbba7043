"""What happens in a run over logs, in order, one frozen record each; the evidence log keeps them.

`path` is always the name that a file had when the run looked, or a salted digest of it where the policy
redacts. No content of a log and no digest of it is ever part of an event, and neither is what a hook printed.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from shredder.log_model import After, FileState, Grade, RawRange, ReadBack
from shredder.log_policy import Hold
from shredder.model import Host, Pass, Profile, VerifyKind
from shredder.ranges import Range


class LogEvent:
    """Every event of a run over logs is one of these; those of disks are not."""

    __slots__ = ()


class Verdict(StrEnum):
    """What was decided for a file before anything was done.

    REFUSED: its rule covers it, and it cannot be taken: several names, no regular file, several rules, no
    age that can be told.
    """

    DUE = "due"
    ROTATE = "rotate"
    NOT_DUE = "not due"
    HELD = "held"
    REFUSED = "refused"


class HoldAnswer(StrEnum):
    """What the policy's own check came to; FAILED holds as well."""

    CLEAR = "clear"
    HOLD = "hold"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Promise:
    """What the policy says of one rule, as far as a certificate needs it.

    `require` is the least grade that counts as done: None stands for in-place.
    """

    name: str
    kind: str
    method: str
    passes: tuple[Pass, ...]
    verify: VerifyKind
    require: Grade | None
    after: After


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The run before: `ended_at` is None when it was killed, `evidence_sha256` "" without evidence."""

    run_id: str
    started_at: str
    ended_at: str | None
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class LogsStarted(LogEvent):
    """Stands in the evidence before anything is touched.

    `policy_digest` is the SHA-256 of the policy file, "" when files were named without one. `salt_sha256`
    is the digest of the salt that paths are hidden with, "" when they are not. `holds` are those in force
    and those that ended since the last run.
    """

    run_id: str
    tool_version: str
    host: Host
    profile: Profile
    policy_name: str
    policy_digest: str
    salt_sha256: str
    promises: tuple[Promise, ...]
    holds: tuple[Hold, ...]
    previous: PreviousRun | None


@dataclass(frozen=True, slots=True)
class FileDecision:
    """One file, and what was decided for it. Times are seconds since 1970, None where they cannot be told."""

    path: str
    device: str
    inode: int
    size_bytes: int
    changed_s: int | None
    oldest_s: int | None
    newest_s: int | None
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class FilesDecided(LogEvent):
    """Some files of a rule; all of them stand in the evidence before the first one is touched."""

    rule: str
    files: tuple[FileDecision, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """A file that an earlier run had begun; `problem` says why it cannot be looked for now."""

    path: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class ServiceBack(LogEvent):
    """The service was brought back, or `error` says why it is not."""

    rule: str
    service: str
    error: str | None
    waited_ms: int


@dataclass(frozen=True, slots=True)
class LeftoversFound(LogEvent):
    """What an earlier run began and did not finish.

    `gone` were unlinked before it ended, `services` are those that it had stopped and that were brought
    back now.
    """

    found: tuple[Left, ...]
    gone: tuple[str, ...]
    services: tuple[ServiceBack, ...]


@dataclass(frozen=True, slots=True)
class JournalRotated(LogEvent):
    """journald was asked to rotate."""

    rule: str
    error: str | None


@dataclass(frozen=True, slots=True)
class LineageRotated(LogEvent):
    """A live file was renamed to `new_path`, or `error` says why it keeps its name."""

    rule: str
    path: str
    new_path: str
    error: str | None


@dataclass(frozen=True, slots=True)
class ServiceReleased(LogEvent):
    """The service was told to let go; `how` is in the policy's words, `waited_ms` how long that took."""

    rule: str
    service: str
    how: str
    error: str | None
    waited_ms: int


@dataclass(frozen=True, slots=True)
class StillOpen(LogEvent):
    """A file that somebody still had open at the time limit; it is kept."""

    rule: str
    path: str
    by: str
    waited_ms: int


@dataclass(frozen=True, slots=True)
class HoldChecked(LogEvent):
    """The policy's check was asked about the records from `from_s` to `to_s`.

    `exit_code` is None when it did not end by itself. `since_s` is when it first held, and `overlong` that it
    has held for longer than it may.
    """

    rule: str
    answer: HoldAnswer
    exit_code: int | None
    error: str | None
    from_s: int
    to_s: int
    since_s: int | None
    overlong: bool


@dataclass(frozen=True, slots=True)
class HoldFound(LogEvent):
    """Somebody held the rule by hand after the run had decided: what it had not begun by then is kept."""

    rule: str
    hold: Hold


@dataclass(frozen=True, slots=True)
class Summarised(LogEvent):
    """The files that fall due were summarised into `outputs`, or `error` says why they are kept."""

    rule: str
    files: int
    outputs: tuple[str, ...]
    error: str | None


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of one file; the words are those of log_model.FileOutcome.

    `continued`: an earlier run had begun it.
    """

    path: str
    device: str
    inode: int
    size_bytes: int
    oldest_s: int | None
    newest_s: int | None
    continued: bool
    state: FileState
    predicted: Grade | None
    grade: Grade | None
    reason: str
    problem: str | None
    read_back: ReadBack
    unwritten: tuple[Range, ...]
    mismatches: tuple[Range, ...]
    old: tuple[RawRange, ...]
    standing: tuple[RawRange, ...] | None


@dataclass(frozen=True, slots=True)
class FilesShredded(LogEvent):
    """Some files of a rule that went through every step together."""

    rule: str
    files: tuple[FileResult, ...]


@dataclass(frozen=True, slots=True)
class RuleFailed(LogEvent):
    """Something else kept a rule from being carried to its end."""

    rule: str
    error: str


@dataclass(frozen=True, slots=True)
class LogsEnded(LogEvent):
    """The last entry of every run that was not killed."""

    interrupted: bool


LogRecorded: TypeAlias = (
    LogsStarted
    | FilesDecided
    | LeftoversFound
    | JournalRotated
    | LineageRotated
    | ServiceReleased
    | StillOpen
    | HoldChecked
    | HoldFound
    | Summarised
    | FilesShredded
    | ServiceBack
    | RuleFailed
    | LogsEnded
)
