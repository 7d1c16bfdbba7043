"""The nouns of a finding about logs: what each file, each rule and the whole run came to."""

from dataclasses import dataclass
from enum import StrEnum

from shredder.errors import ExitCode
from shredder.log_events import (
    FileDecision,
    FileResult,
    HoldChecked,
    HoldFound,
    JournalRotated,
    LeftoversFound,
    LineageRotated,
    LogsStarted,
    Promise,
    ServiceBack,
    ServiceReleased,
    Summarised,
)
from shredder.log_model import FileState


class FileVerdict(StrEnum):
    """What a file's evidence amounts to.

    The first four were carried to their end; whether that is good enough is for the rule to say. UNKNOWN: the
    run was killed before it said what became of the file; the next one says whether it was begun.
    """

    PROVEN = "overwritten, proven"
    IN_PLACE = "overwritten in place"
    MOVED = "overwritten, old bytes elsewhere"
    UNPROVABLE = "overwritten, cannot be proven"
    MISMATCH = "mismatch"
    DAMAGED = "begun, not finished"
    UNKNOWN = "not accounted for"
    KEPT = "kept"
    HELD = "held"
    REFUSED = "refused"
    ROTATED = "rotated"
    NOT_DUE = "not due"


class LogsOutcome(StrEnum):
    """The run in one word."""

    COMPLETE = "complete"
    MISMATCH = "mismatch"
    INTERRUPTED = "interrupted"
    INCOMPLETE = "incomplete"
    SERVICE = "service or hook failed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class LogProblem:
    """One thing that keeps a file or a rule from success, and the exit code it stands for.

    What `is_loud` stands in the first line of the certificate.
    """

    exit_code: ExitCode
    reason: str
    is_loud: bool = False


@dataclass(frozen=True, slots=True)
class FileReport:
    """One file. `decision` is None for what an earlier run began, `result` for what was not overwritten."""

    path: str
    verdict: FileVerdict
    decision: FileDecision | None
    result: FileResult | None
    problems: tuple[LogProblem, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """How many files came to the same; `state` is None for those that were not overwritten."""

    verdict: FileVerdict
    state: FileState | None
    has_problems: bool
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule. `promise` is None for files of a rule that the policy no longer has.

    `files` are all that there are, or, of very many, those with problems first; `totals` count all of them.
    """

    name: str
    promise: Promise | None
    files: tuple[FileReport, ...]
    totals: tuple[Total, ...]
    rotations: tuple[LineageRotated, ...]
    journal: JournalRotated | None
    released: tuple[ServiceReleased, ...]
    back: ServiceBack | None
    hold: HoldChecked | None
    held: HoldFound | None
    summary: Summarised | None
    problems: tuple[LogProblem, ...]
    exit_codes: frozenset[ExitCode]

    def count_unlisted(self, *, not_due: bool) -> int:
        """Return how many files, of those that stay or of the others, are counted and not listed."""
        counted = sum(item.files for item in self.totals if (item.verdict is FileVerdict.NOT_DUE) is not_due)
        return counted - sum((file.verdict is FileVerdict.NOT_DUE) is not_due for file in self.files)


@dataclass(frozen=True, slots=True)
class LogsReport:
    """The whole run. `interrupted` is also True when the evidence simply stops."""

    start: LogsStarted
    rules: tuple[RuleReport, ...]
    leftovers: LeftoversFound | None
    problems: tuple[LogProblem, ...]
    interrupted: bool
    outcome: LogsOutcome
    headline: str
    exit_code: ExitCode
    started_at: str
    ended_at: str

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.start.run_id

    @property
    def complete(self) -> bool:
        """True when everything that fell due was shredded at the grade that its rule requires."""
        return self.exit_code is ExitCode.DONE
