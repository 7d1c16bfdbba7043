"""The whole flow for logs: look, decide, finish what was left, each rule in turn, evidence, certificate."""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from shredder import __version__
from shredder.certify.evidence import EvidenceLog, stamp
from shredder.certify.keys import PrivateKey
from shredder.certify.log_findings import find_logs
from shredder.certify.log_reports import LogsReport
from shredder.certify.run_folder import EVIDENCE, RunFolder
from shredder.discover.hosts import name_host
from shredder.discover.probe import read_host
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Unfinished
from shredder.errors import CertificateError, ExitCode, RefusedError, ShredderError, UndeliveredError, gravest
from shredder.log_events import (
    FilesDecided,
    JournalRotated,
    LogRecorded,
    LogsEnded,
    LogsStarted,
    PreviousRun,
    RuleFailed,
)
from shredder.log_policy import HeldBy, Hold, Policy, Rule, RuleKind
from shredder.logs.clock import Clock
from shredder.logs.commands import run_command
from shredder.logs.holds import forget_holds, read_holds, refuse_orphans
from shredder.logs.journald import rotate_journals
from shredder.logs.labels import Labels
from shredder.logs.left_behind import LeftBehind
from shredder.logs.memory import Memory
from shredder.logs.rule_run import RuleRun
from shredder.logs.run_folder import certify_killed, certify_run, open_run_folder, tidy_runs
from shredder.logs.shredding import Run, promise_of
from shredder.logs.state import open_state, take_lock
from shredder.logs.survey import look_and_decide
from shredder.logs.targets import Judged, Task, judge_files, judge_named

_SECRET_BYTES = 32
_SALT_BYTES = 32
_DECISIONS_AN_ENTRY = 1000
_NOTIFY_LIMIT_S = 60
_RUNS = "runs"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run is to do.

    `files` are shredded at once, whatever their age, under the one rule that the policy then has; None for
    what falls due. `key` signs the certificate; of a fresh one only the public half is ever written.
    `output` is None for a folder of its own in the state folder.
    """

    policy: Policy
    files: tuple[str, ...] | None
    key: PrivateKey
    output: Path | None


@dataclass(frozen=True, slots=True)
class LogsResult:
    """What a run came to. `trouble` is what went wrong beside the logs, for people."""

    report: LogsReport
    folder: Path
    has_certificate: bool
    trouble: tuple[str, ...]
    exit_code: ExitCode


def shred_logs(
    asked: Asked, clock: Clock, stop: StopFlag, monitor: Callable[[LogRecorded], None]
) -> LogsResult:
    """Do what a policy promises, and certify what happened.

    Args:
        asked: the policy, and what else the run is to do.
        clock: the time.
        stop: ends the run early; services are brought back all the same.
        monitor: shown every event.

    Raises:
        RefusedError: another run goes on, a folder cannot be used, or a hold has lost its rule; no log was
            touched.
        UsageError: a file of the state folder cannot be read.
    """
    state = open_state(Path(asked.policy.state))
    unfinished = take_lock(state, clock, stop, is_patient=asked.files is not None)
    try:
        if asked.files is None:
            refuse_orphans(asked.policy, clock.now_s)
        result = _Job(asked, clock, stop, monitor, unfinished).carry_out()
    finally:
        unfinished.close()
    return _notify(asked.policy, result)


def _notify(policy: Policy, result: LogsResult) -> LogsResult:
    # a hold is the policy at work, for the schedule too; one that lasts too long is a failure of its own
    if not policy.notify or result.exit_code in (ExitCode.DONE, ExitCode.HELD):
        return result
    values = {"policy": policy.path, "exit_code": str(int(result.exit_code))}
    ended = run_command([word.format_map(values) for word in policy.notify], _NOTIFY_LIMIT_S, StopFlag())
    if ended.error is None:
        return result
    codes = gravest((result.exit_code, ExitCode.SERVICE))
    return replace(result, trouble=(*result.trouble, f"notify failed: {ended.error}"), exit_code=codes)


class _Job:
    """One run, from its lock to its certificate."""

    def __init__(
        self,
        asked: Asked,
        clock: Clock,
        stop: StopFlag,
        monitor: Callable[[LogRecorded], None],
        unfinished: Unfinished,
    ) -> None:
        self._asked = asked
        self._policy = asked.policy
        self._clock = clock
        self._monitor = monitor
        self._state = Path(asked.policy.state)
        self._memory = Memory(self._state)
        self._started = stamp(clock.now())
        self._salt = os.urandom(_SALT_BYTES) if asked.policy.redact else None
        self._log: EvidenceLog | None = None
        self._run = Run(
            run_id=uuid.uuid4().hex,
            secret=os.urandom(_SECRET_BYTES),
            state=self._state,
            memory=self._memory,
            unfinished=unfinished,
            labels=Labels(self._salt),
            clock=clock,
            stop=stop,
            record=self._record,
        )

    def carry_out(self) -> LogsResult:
        previous = self._finish_previous()
        journal_errors = self._rotate_journals()
        left = LeftBehind(self._policy, self._run)
        named = list(self._judge_named(self._asked.files or ()))
        folder = open_run_folder(self._choose_folder(), self._asked.key, self._salt)
        self._log = log = EvidenceLog(folder.path / EVIDENCE)
        self._record(self._start_event(previous))
        self._memory.set_last_run(PreviousRun(self._run.run_id, self._started, None, ""), folder.path)
        self._carry_out_rules(named, left, journal_errors)
        self._record(LogsEnded(interrupted=self._run.stop.is_set()))
        log.close()
        return self._conclude(log, folder)

    def _carry_out_rules(
        self, named: Sequence[Judged], left: LeftBehind, journal_errors: Mapping[str, str | None]
    ) -> None:
        tasks = self._decide(named, left)
        if self._log and self._log.damage:
            raise RefusedError(
                f"{self._log.damage}; no log was touched", hint="name another folder with --output"
            )
        self._finish_left(left, tasks)
        tasks.reverse()
        while tasks:  # a task may name very many files: it is let go of as it is carried out
            task = tasks.pop()
            if task.rule.name in journal_errors:
                self._record(JournalRotated(task.rule.name, journal_errors[task.rule.name]))
            if not self._run.stop.is_set():
                rule_run = RuleRun(task, self._run)
                del task
                rule_run.carry_out()

    def _finish_left(self, left: LeftBehind, tasks: Sequence[Task]) -> None:
        try:
            left.finish()
        except (OSError, ShredderError) as error:
            message = error.message if isinstance(error, ShredderError) else str(error.strerror)
            for task in tasks:
                why = self._run.labels.in_text(f"what was left cannot be finished: {message}")
                self._record(RuleFailed(task.rule.name, why))

    def _record(self, event: LogRecorded) -> None:
        if self._log is not None:
            self._log.append(event, self._clock.now())
        self._monitor(event)

    def _finish_previous(self) -> PreviousRun | None:
        """Return the run before; one that was killed gets the certificate that it could not write."""
        tidy_runs(self._state / _RUNS, self._asked.key)
        last = self._memory.last_run()
        if last is None or last.run.ended_at is not None:
            return last.run if last else None
        try:
            return replace(last.run, evidence_sha256=certify_killed(Path(last.folder), self._asked.key))
        except (CertificateError, UndeliveredError):
            return last.run

    def _rotate_journals(self) -> dict[str, str | None]:
        """Before looking, so that what is archived now is seen."""
        if self._asked.files is not None:
            return {}
        journals = [rule for rule in self._policy.rules if rule.kind is RuleKind.JOURNAL]
        if not journals:
            return {}
        error = rotate_journals(journals[0].hook_limit_s, self._run.stop)
        return {rule.name: error for rule in journals}

    def _holds_by_hand(self) -> list[Hold]:
        """What the policy's own check holds is asked about again."""
        return [hold for hold in read_holds(self._state) if hold.by is HeldBy.HAND]

    def _judge_named(self, paths: Sequence[str]) -> Iterator[Judged]:
        (rule, *_), now_s = self._policy.rules, self._clock.now_s
        holds = self._holds_by_hand()
        hold = next((item for item in holds if item.name == rule.name and item.is_in_force(now_s)), None)
        return (judge_named(path, self._run.labels, hold) for path in paths)

    def _decide(self, named: Sequence[Judged], left: LeftBehind) -> list[Task]:
        """Put on record what is decided for each file, and return what is to be done."""
        labels, now_s = self._run.labels, self._clock.now_s
        if self._asked.files is not None:
            (rule,) = self._policy.rules
            return [self._record_decisions(rule, named)]
        return [
            self._record_decisions(found.rule, judge_files(found, labels, now_s, left.keys))
            for found in look_and_decide(self._policy, now_s, self._holds_by_hand())
        ]

    def _record_decisions(self, rule: Rule, judged: Iterable[Judged]) -> Task:
        task = Task(rule, [], [])
        waiting = iter(judged)
        while some := tuple(islice(waiting, _DECISIONS_AN_ENTRY)):
            self._record(FilesDecided(rule.name, tuple(item.decision for item in some)))
            task.live.extend(item for item in some if item.is_live and item.file)
            task.due.extend(item.file for item in some if item.file and not item.is_live)
        return task

    def _choose_folder(self) -> Path:
        if self._asked.output is not None:
            return self._asked.output
        when = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        return self._state / _RUNS / f"{when}-{self._run.run_id[:8]}"

    def _start_event(self, previous: PreviousRun | None) -> LogsStarted:
        policy, run = self._policy, self._run
        return LogsStarted(
            run_id=run.run_id,
            tool_version=__version__,
            host=name_host(read_host()),
            profile=policy.profile,
            policy_name=policy.name,
            policy_digest=policy.digest,
            salt_sha256=run.labels.salt_sha256,
            promises=tuple(promise_of(rule, run.run_id) for rule in policy.rules),
            holds=read_holds(self._state),
            previous=previous,
        )

    def _conclude(self, log: EvidenceLog, folder: RunFolder) -> LogsResult:
        """Derive the outcome from the evidence and certify it; when that fails, the outcome still stands."""
        report = find_logs(log.read())
        trouble = [log.damage] if log.damage else []
        digest = ""
        try:
            if not trouble:
                digest = certify_run(folder, log, report, self._asked.key)
                forget_holds(self._state, report.start.holds, self._clock.now_s)
            ended = PreviousRun(self._run.run_id, self._started, stamp(self._clock.now()), digest)
            self._memory.set_last_run(ended, folder.path)
        except ShredderError as error:
            trouble.append(error.message)
        codes = [report.exit_code, ExitCode.UNDELIVERED] if trouble else [report.exit_code]
        return LogsResult(report, folder.path, bool(digest), tuple(trouble), gravest(codes))
