"""The predicate of a certificate about logs: the exact keys, and a reader that takes no others.

As for disks, every number is a decimal string, and a fact that is not known reads "unavailable: reason".
"""

from dataclasses import dataclass

from shredder import records
from shredder.certify.predicate import HostFacts, Span, check_type, parse_statement, read_subject
from shredder.errors import CertificateError, ShredderError

LOGS_TYPE = "urn:shredder:logs:v1"


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """A range of a block device."""

    device: str
    start: str
    length: str


@dataclass(frozen=True, slots=True)
class LogFileFacts:
    """One file that was due, rotated, held or refused, or that an earlier run had begun.

    `path` is a salted digest where paths are hidden. `name` says what became of the name. `old_places` are
    where the old bytes lay when they were not overwritten in place; `still_there` which of them still hold
    them, `looked` whether somebody could look.
    """

    path: str
    device: str
    inode: str
    size_bytes: str
    changed_at: str
    first_record_at: str
    last_record_at: str
    why: str
    verdict: str
    problems: tuple[str, ...]
    begun_earlier: bool
    predicted_grade: str
    grade: str
    grade_reason: str
    read_back: str
    name: str
    unwritten: tuple[Span, ...]
    mismatches: tuple[Span, ...]
    old_places: tuple[PlaceFacts, ...]
    still_there: tuple[PlaceFacts, ...]
    looked: str


@dataclass(frozen=True, slots=True)
class TotalFacts:
    """How many files of a rule came to the same, also those that are not listed."""

    verdict: str
    files: str
    size_bytes: str


@dataclass(frozen=True, slots=True)
class NotDueFacts:
    """One file that stays."""

    path: str
    size_bytes: str
    why: str


@dataclass(frozen=True, slots=True)
class RotationFacts:
    """A live file that was to be renamed."""

    path: str
    new_path: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """How the service was made to let go, or brought back."""

    service: str
    how: str
    outcome: str
    waited_ms: str


@dataclass(frozen=True, slots=True)
class HoldCheckFacts:
    """What the policy's own check said about the records of a time."""

    answer: str
    exit_code: str
    outcome: str
    from_time: str
    to_time: str
    held_since: str
    overlong: bool


@dataclass(frozen=True, slots=True)
class SummaryFacts:
    """What was made of the files before they were shredded."""

    files: str
    outputs: tuple[str, ...]
    outcome: str


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule of the policy, and what happened under it.

    Of very many files those with problems are listed first, and the last ones only counted in `totals`: the
    evidence has every one.
    """

    name: str
    kind: str
    method: str
    passes: tuple[str, ...]
    verification: str
    required_grade: str
    after: str
    journal: str
    rotations: tuple[RotationFacts, ...]
    service: tuple[ServiceFacts, ...]
    hold_check: HoldCheckFacts | None
    summary: SummaryFacts | None
    problems: tuple[str, ...]
    totals: tuple[TotalFacts, ...]
    files: tuple[LogFileFacts, ...]
    files_not_listed: str
    not_due: tuple[NotDueFacts, ...]
    not_due_not_listed: str


@dataclass(frozen=True, slots=True)
class HoldFacts:
    """A hold that was in force, or ended since the run before."""

    rule: str
    by: str
    who: str
    since: str
    until: str
    reason: str
    released: str


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """Who answers for the run, as far as the policy says."""

    organisation: str
    name: str
    title: str
    location: str
    contact: str


@dataclass(frozen=True, slots=True)
class PreviousFacts:
    """The run before."""

    run_id: str
    claimed_started_at: str
    claimed_ended_at: str
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class LogsPredicate:
    """What the certificate says, derived from the evidence and from nothing else."""

    headline: str
    outcome: str
    run_id: str
    tool: str
    policy_name: str
    policy_sha256: str
    path_salt_sha256: str
    claimed_started_at: str
    claimed_ended_at: str
    previous: PreviousFacts | None
    host: HostFacts
    responsible: PersonFacts
    problems: tuple[str, ...]
    rules: tuple[RuleFacts, ...]
    holds: tuple[HoldFacts, ...]
    finished_before: tuple[str, ...]
    brought_back: tuple[ServiceFacts, ...]
    claims: tuple[str, ...]
    disclaimers: tuple[str, ...]


def read_logs_statement(payload: bytes) -> dict[str, object]:
    """Parse a signed payload and check that it is a statement about logs, with nothing unknown in it.

    Raises:
        CertificateError: it is not.
    """
    data = parse_statement(payload)
    check_type(data, LOGS_TYPE)
    read_subject(data)
    read_logs_predicate(data)
    return data


def read_logs_predicate(statement: dict[str, object]) -> LogsPredicate:
    """Return the predicate, typed.

    Raises:
        CertificateError: a key is missing, unknown, or of another type.
    """
    try:
        return records.from_json(LogsPredicate, statement.get("predicate"), "the certificate's predicate")
    except ShredderError as error:
        raise CertificateError(error.message) from None
