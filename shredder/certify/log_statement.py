"""The statement about a run over logs, made from the evidence and from nothing else.

A verifier makes it again from the evidence and compares. So what this module and log_claims.py say
for given evidence is fixed under one predicate type: other words need a new one.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from shredder import records
from shredder.certify.log_claims import claim_logs, disclaim_logs
from shredder.certify.log_predicate import (
    LOGS_TYPE,
    HoldCheckFacts,
    HoldFacts,
    LogFileFacts,
    LogsPredicate,
    NotDueFacts,
    PersonFacts,
    PlaceFacts,
    PreviousFacts,
    RotationFacts,
    RuleFacts,
    ServiceFacts,
    SummaryFacts,
    TotalFacts,
)
from shredder.certify.log_reports import FileReport, FileVerdict, LogProblem, LogsReport, RuleReport
from shredder.certify.nist import NOT_DONE, say
from shredder.certify.statement import make_host_facts, make_spans, wrap_predicate
from shredder.log_events import FileResult, HoldChecked, PreviousRun, Promise, Summarised
from shredder.log_model import FileState, Grade, RawRange
from shredder.log_policy import Hold
from shredder.model import Profile

_NOT_TOLD = "unavailable: cannot be told"
_NO_RULE = "unavailable: the policy has no such rule now"
_NAMES = {
    FileState.UNLINKED: "unlinked, traces of the name may remain",
    FileState.OVERWRITTEN: "kept, as asked",
    FileState.DAMAGED: "kept, or a random one of the same length",
    FileState.UNTOUCHED: "kept",
}


def make_logs_statement(report: LogsReport, evidence_sha256: str, evidence_name: str) -> dict[str, Any]:
    """Return the statement about a run over logs.

    Args:
        report: what the whole evidence amounts to.
        evidence_sha256: of the evidence file's bytes, in hex.
        evidence_name: the file's name, without a folder.
    """
    predicate = records.to_json(_make_predicate(report))
    return wrap_predicate(LOGS_TYPE, predicate, evidence_sha256, evidence_name)


def _make_predicate(report: LogsReport) -> LogsPredicate:
    start = report.start
    return LogsPredicate(
        headline=report.headline,
        outcome=report.outcome.value,
        run_id=start.run_id,
        tool=f"shredder {start.tool_version}",
        policy_name=start.policy_name,
        policy_sha256=start.policy_digest or "unavailable: files were named without a policy",
        path_salt_sha256=start.salt_sha256 or "unavailable: paths are not hidden",
        claimed_started_at=report.started_at,
        claimed_ended_at=report.ended_at,
        previous=_previous(start.previous),
        host=make_host_facts(start.host),
        responsible=_responsible(start.profile),
        problems=_reasons(report.problems),
        rules=tuple(_rule(rule) for rule in report.rules),
        holds=tuple(_hold(hold) for hold in (*start.holds, *_found_holds(report))),
        finished_before=report.leftovers.gone if report.leftovers else (),
        brought_back=_brought_back(report),
        claims=claim_logs(report),
        disclaimers=disclaim_logs(report),
    )


def _previous(run: PreviousRun | None) -> PreviousFacts | None:
    if run is None:
        return None
    return PreviousFacts(
        run_id=run.run_id,
        claimed_started_at=run.started_at,
        claimed_ended_at=run.ended_at or "unavailable: it was killed",
        evidence_sha256=run.evidence_sha256 or "unavailable: its evidence is gone",
    )


def _found_holds(report: LogsReport) -> tuple[Hold, ...]:
    """Those that were set while the run went on."""
    return tuple(rule.held.hold for rule in report.rules if rule.held)


def _brought_back(report: LogsReport) -> tuple[ServiceFacts, ...]:
    services = report.leftovers.services if report.leftovers else ()
    return tuple(
        ServiceFacts(item.service, "brought back", _outcome(item.error), str(item.waited_ms))
        for item in services
    )


def _responsible(profile: Profile) -> PersonFacts:
    person = profile.sanitized_by
    return PersonFacts(
        say(profile.organisation),
        say(person.name),
        say(person.title),
        say(person.location),
        say(person.contact),
    )


def _reasons(problems: Iterable[LogProblem]) -> tuple[str, ...]:
    return tuple(problem.reason for problem in problems)


def _rule(rule: RuleReport) -> RuleFacts:
    promise = rule.promise
    return RuleFacts(
        name=rule.name,
        kind=promise.kind if promise else _NO_RULE,
        method=promise.method if promise else _NO_RULE,
        passes=tuple(str(item) for item in promise.passes) if promise else (),
        verification=promise.verify.value if promise else _NO_RULE,
        required_grade=_required(promise),
        after=promise.after.value if promise else _NO_RULE,
        journal=_outcome(rule.journal.error) if rule.journal else NOT_DONE,
        rotations=tuple(
            RotationFacts(item.path, item.new_path, _outcome(item.error)) for item in rule.rotations
        ),
        service=tuple(_services(rule)),
        hold_check=_hold_check(rule.hold),
        summary=_summary(rule.summary),
        problems=_reasons(rule.problems),
        totals=tuple(_totals(rule)),
        files=tuple(_file(file) for file in rule.files if file.verdict is not FileVerdict.NOT_DUE),
        files_not_listed=str(rule.count_unlisted(not_due=False)),
        not_due=tuple(_not_due(rule)),
        not_due_not_listed=str(rule.count_unlisted(not_due=True)),
    )


def _required(promise: Promise | None) -> str:
    return (promise.require if promise and promise.require else Grade.IN_PLACE).value


def _services(rule: RuleReport) -> Iterable[ServiceFacts]:
    for item in rule.released:
        yield ServiceFacts(item.service, item.how, _outcome(item.error), str(item.waited_ms))
    if rule.back is not None:
        yield ServiceFacts(
            rule.back.service, "brought back", _outcome(rule.back.error), str(rule.back.waited_ms)
        )


def _outcome(error: str | None) -> str:
    return "done" if error is None else f"failed: {error}"


def _hold_check(check: HoldChecked | None) -> HoldCheckFacts | None:
    if check is None:
        return None
    return HoldCheckFacts(
        answer=check.answer.value,
        exit_code="unavailable: it did not end by itself"
        if check.exit_code is None
        else str(check.exit_code),
        outcome=_outcome(check.error),
        from_time=_time(check.from_s),
        to_time=_time(check.to_s),
        held_since="unavailable: not held" if check.since_s is None else _time(check.since_s),
        overlong=check.overlong,
    )


def _summary(summary: Summarised | None) -> SummaryFacts | None:
    if summary is None:
        return None
    return SummaryFacts(str(summary.files), summary.outputs, _outcome(summary.error))


def _totals(rule: RuleReport) -> Iterable[TotalFacts]:
    for verdict, same in groupby(rule.totals, key=lambda total: total.verdict):
        some = tuple(same)
        files, size_bytes = sum(item.files for item in some), sum(item.size_bytes for item in some)
        yield TotalFacts(verdict.value, str(files), str(size_bytes))


def _not_due(rule: RuleReport) -> Iterable[NotDueFacts]:
    for file in rule.files:
        if file.verdict is FileVerdict.NOT_DUE and file.decision is not None:
            yield NotDueFacts(file.path, str(file.decision.size_bytes), file.decision.why)


def _file(file: FileReport) -> LogFileFacts:
    known = file.result or file.decision
    result, decision = file.result, file.decision
    return LogFileFacts(
        path=file.path,
        device=known.device if known else _NOT_TOLD,
        inode=str(known.inode) if known else _NOT_TOLD,
        size_bytes=str(known.size_bytes) if known else _NOT_TOLD,
        changed_at=_time(decision.changed_s if decision else None),
        first_record_at=_time(known.oldest_s if known else None),
        last_record_at=_time(known.newest_s if known else None),
        why=decision.why if decision else "an earlier run had begun it",
        verdict=file.verdict.value,
        problems=_reasons(file.problems),
        begun_earlier=result.continued if result else False,
        predicted_grade=_grade(result.predicted if result else None),
        grade=_grade(result.grade if result else None),
        grade_reason=result.reason if result else "",
        read_back=result.read_back.value if result else NOT_DONE,
        name=_name(file),
        unwritten=make_spans(result.unwritten) if result else (),
        mismatches=make_spans(result.mismatches) if result else (),
        old_places=_places(result.old) if result else (),
        still_there=_places(result.standing or ()) if result else (),
        looked=_looked(result),
    )


def _name(file: FileReport) -> str:
    if file.result is not None:
        return _NAMES[file.result.state]
    return _NOT_TOLD if file.verdict is FileVerdict.UNKNOWN else "kept"


def _looked(result: FileResult | None) -> str:
    if result is None or not result.old:
        return "unavailable: there are no other places"
    return "no" if result.standing is None else "yes"


def _places(places: Iterable[RawRange]) -> tuple[PlaceFacts, ...]:
    return tuple(PlaceFacts(item.device, str(item.start_bytes), str(item.length_bytes)) for item in places)


def _grade(grade: Grade | None) -> str:
    return grade.value if grade else NOT_DONE


def _hold(hold: Hold) -> HoldFacts:
    return HoldFacts(
        rule=hold.name,
        by=hold.by.value,
        who=hold.who or "unavailable: not a person",
        since=_time(hold.since_s),
        until="unavailable: until it is cleared" if hold.until_s is None else _time(hold.until_s),
        reason=hold.reason,
        released="unavailable: not released" if hold.released_s is None else _time(hold.released_s),
    )


def _time(at_s: int | None) -> str:
    if at_s is None:
        return _NOT_TOLD
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"unavailable: {at_s} seconds since 1970 is no date"
