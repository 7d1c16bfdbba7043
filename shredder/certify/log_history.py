"""The evidence of a run over logs, sorted by rule and checked for its order.

It is read once, entry by entry: of a hundred thousand files no more is kept than their certificate needs.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from shredder.certify.evidence import Entry
from shredder.certify.log_judge import judge_decision, judge_result
from shredder.certify.log_listing import Listing
from shredder.errors import CertificateError
from shredder.log_events import (
    FileDecision,
    FileResult,
    FilesDecided,
    FilesShredded,
    HoldChecked,
    HoldFound,
    JournalRotated,
    LeftoversFound,
    LineageRotated,
    LogEvent,
    LogRecorded,
    LogsEnded,
    LogsStarted,
    Promise,
    RuleFailed,
    ServiceBack,
    ServiceReleased,
    StillOpen,
    Summarised,
    Verdict,
)


@dataclass(slots=True)
class RuleHistory:
    """What happened under one rule, in order; `promise` is None where only an earlier run knew it.

    `waiting` are the files that something is to be done with, and of which nothing is told yet; `listing`
    has the others.
    """

    name: str
    promise: Promise | None
    waiting: dict[str, FileDecision] = field(default_factory=dict)
    listing: Listing = field(default_factory=Listing)
    open: dict[str, StillOpen] = field(default_factory=dict)
    rotations: dict[str, LineageRotated] = field(default_factory=dict)
    journal: JournalRotated | None = None
    released: list[ServiceReleased] = field(default_factory=list)
    back: ServiceBack | None = None
    hold: HoldChecked | None = None
    held: HoldFound | None = None
    summary: Summarised | None = None
    failed: list[RuleFailed] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LogsHistory:
    """A whole run; `ended` is None when the process was killed.

    `lost` are files that an earlier run had begun, and of which nothing more is told.
    """

    start: LogsStarted
    started_at: str
    rules: tuple[RuleHistory, ...]
    leftovers: LeftoversFound | None
    lost: frozenset[str]
    ended: LogsEnded | None
    ended_at: str


def read_log_history(entries: Iterable[Entry]) -> LogsHistory:
    """Sort the entries by rule.

    Raises:
        CertificateError: they cannot have happened in this order, or not under this policy.
    """
    following = iter(entries)
    first = last = next(following, None)
    if first is None or last is None or not isinstance(first.event, LogsStarted):
        raise CertificateError("the evidence does not begin with the start of a run over logs")
    reader = _Reader(first.event)
    for last in following:
        reader.take(last)
    return LogsHistory(
        start=first.event,
        started_at=first.at,
        rules=tuple(reader.rules.values()),
        leftovers=reader.leftovers,
        lost=frozenset(reader.left),
        ended=reader.ended,
        ended_at=last.at,
    )


class _Reader:
    """Takes one entry after the other."""

    def __init__(self, start: LogsStarted) -> None:
        self.rules = {promise.name: RuleHistory(promise.name, promise) for promise in start.promises}
        if len(self.rules) != len(start.promises):
            raise CertificateError("the evidence names a rule twice")
        self.leftovers: LeftoversFound | None = None
        self.ended: LogsEnded | None = None
        self.left: set[str] = set()
        self._settled: set[str] = set()
        self._is_deciding = True

    def take(self, entry: Entry) -> None:
        event = entry.event
        if self.ended is not None:
            _refuse(entry, "stands after the end of the run")
        if not isinstance(event, LogEvent):
            _refuse(entry, "is of a run over disks")
        if isinstance(event, LogsStarted):
            _refuse(entry, "starts the run a second time")
        if isinstance(event, FilesDecided):
            self._take_decisions(event, entry)
        elif isinstance(event, LeftoversFound):
            self._take_leftovers(event, entry)
        elif isinstance(event, LogsEnded):
            self.ended = event
        else:
            self._is_deciding = False
            self._take_step(event, entry)

    def _take_decisions(self, event: FilesDecided, entry: Entry) -> None:
        if not self._is_deciding:
            _refuse(entry, "decides after the first step was taken")
        rule = self._rule(event.rule, entry)
        for file in event.files:
            if file.path in self._settled or any(file.path in other.waiting for other in self.rules.values()):
                _refuse(entry, f"decides twice on {file.path}")
            settled = judge_decision(file)
            if settled:
                self._settled.add(file.path)
                rule.listing.add(settled)
            else:
                rule.waiting[file.path] = file

    def _take_leftovers(self, event: LeftoversFound, entry: Entry) -> None:
        if self.leftovers is not None or not self._is_deciding:
            _refuse(entry, "comes too late for what an earlier run left")
        self.leftovers = event
        self.left = {left.path for left in event.found if left.problem is None}

    def _take_step(self, event: LogRecorded, entry: Entry) -> None:
        match event:
            case FilesShredded():
                for file in event.files:
                    self._take_result(event.rule, file, entry)
            case StillOpen():
                self._known(event.rule, event.path, entry).open[event.path] = event
            case LineageRotated():
                self._known(event.rule, event.path, entry).rotations[event.path] = event
            case ServiceReleased():
                self._rule(event.rule, entry).released.append(event)
            case RuleFailed():
                self._rule(event.rule, entry).failed.append(event)
            case JournalRotated() | HoldChecked() | HoldFound() | Summarised() | ServiceBack():
                self._take_once(event, entry)
            case _:
                raise AssertionError("not a step")

    def _take_once(
        self, event: JournalRotated | HoldChecked | HoldFound | Summarised | ServiceBack, entry: Entry
    ) -> None:
        rule = self._rule(event.rule, entry)
        match event:
            case JournalRotated() if rule.journal is None:
                rule.journal = event
            case HoldChecked() if rule.hold is None:
                rule.hold = event
            case HoldFound() if rule.held is None:
                rule.held = event
            case Summarised() if rule.summary is None:
                rule.summary = event
            case ServiceBack() if rule.back is None:
                rule.back = event
            case _:
                _refuse(entry, f"comes twice for {event.rule}")

    def _take_result(self, name: str, file: FileResult, entry: Entry) -> None:
        if file.continued:
            if file.path not in self.left:
                _refuse(entry, f"finishes {file.path}, which no earlier run had begun")
            self.left.remove(file.path)
            rule = self.rules.setdefault(name, RuleHistory(name, None))
            rule.listing.add(judge_result(None, file, rule.promise))
            return
        rule = self._rule(name, entry)
        decision = rule.waiting.get(file.path)
        if decision is None or decision.verdict is not Verdict.DUE:
            _refuse(entry, f"tells of {file.path}, which is not due, or done already")
        del rule.waiting[file.path]
        self._settled.add(file.path)
        rule.listing.add(judge_result(decision, file, rule.promise))

    def _rule(self, name: str, entry: Entry) -> RuleHistory:
        rule = self.rules.get(name)
        if rule is None or rule.promise is None:
            _refuse(entry, f'names the rule "{name}", which the policy does not have')
        return rule

    def _known(self, name: str, path: str, entry: Entry) -> RuleHistory:
        rule = self._rule(name, entry)
        if path not in rule.waiting:
            _refuse(entry, f"names {path}, on which nothing was decided")
        return rule


def _refuse(entry: Entry, why: str) -> NoReturn:
    raise CertificateError(f"the evidence is out of order: entry {entry.seq} {why}")
