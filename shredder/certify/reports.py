"""The nouns of a finding: what each pass, each device and the whole run came to."""

from dataclasses import dataclass
from enum import StrEnum

from shredder.errors import ExitCode
from shredder.events import DeviceOpened, RunStarted, VerifyEnded, VerifyStarted
from shredder.model import LeftOut, Pass, Plan, Refusal, Step
from shredder.ranges import Range


class Verdict(StrEnum):
    """What a device's evidence amounts to."""

    VERIFIED_IN_FULL = "erased, verified in full"
    VERIFIED_BY_SAMPLES = "erased, verified by samples"
    NOT_VERIFIED = "overwritten, not verified"
    INCOMPLETE = "incomplete"
    MISMATCH = "mismatch"
    INTERRUPTED = "interrupted"
    REFUSED = "refused"
    MAY_STILL_WRITE = "may still write"
    NOT_ATTEMPTED = "not attempted"

    @property
    def is_success(self) -> bool:
        """True when everything planned for the device was done and proven as planned."""
        return self in (Verdict.VERIFIED_IN_FULL, Verdict.VERIFIED_BY_SAMPLES, Verdict.NOT_VERIFIED)


class Outcome(StrEnum):
    """The run in one word."""

    COMPLETE = "complete"
    MISMATCH = "mismatch"
    INTERRUPTED = "interrupted"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that keeps a device from success, and the verdict it stands for."""

    verdict: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class PassReport:
    """One planned pass, whether it was begun or not.

    `written` is what the device accepted and then flushed, `unwritten` all the rest of the device.
    """

    number: int
    planned: Pass
    started_at: str | None
    ended_at: str | None
    written: tuple[Range, ...]
    unwritten: tuple[Range, ...]
    write_errors: int
    errors: tuple[str, ...]
    flush_error: str | None
    gave_up: str | None
    stopped: bool
    elapsed_ms: int


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """The read-back; `ended` is None when it never came to an end."""

    started: VerifyStarted
    started_at: str
    ended: VerifyEnded | None
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One target.

    `unwritten` are bytes that at least one planned pass did not write, `untouched` those that none did.
    """

    step: Step
    verdict: Verdict
    problems: tuple[Problem, ...]
    opened: DeviceOpened | None
    passes: tuple[PassReport, ...]
    verification: VerificationReport | None
    refusals: tuple[Refusal, ...]
    error: str | None
    may_still_write: bool
    unwritten: tuple[Range, ...]
    untouched: tuple[Range, ...]
    started_at: str | None
    ended_at: str | None


@dataclass(frozen=True, slots=True)
class RunReport:
    """The whole run. `interrupted` is also True when the evidence simply stops.

    `left_out` is what the plan left out, and what appeared after it.
    """

    start: RunStarted
    devices: tuple[DeviceReport, ...]
    left_out: tuple[LeftOut, ...]
    interrupted: bool
    outcome: Outcome
    headline: str
    exit_code: ExitCode
    started_at: str
    ended_at: str

    @property
    def plan(self) -> Plan:
        """What was to be done."""
        return self.start.plan

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.start.run_id

    @property
    def complete(self) -> bool:
        """True when everything asked for was done, and verified as asked."""
        return self.exit_code is ExitCode.DONE
