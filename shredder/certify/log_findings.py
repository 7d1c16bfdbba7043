"""What the evidence of a run over logs amounts to: a pure fold from entries to a report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from shredder.certify.evidence import Entry
from shredder.certify.log_history import LogsHistory, RuleHistory, read_log_history
from shredder.certify.log_judge_rule import find_rule_problems, judge_waiting
from shredder.certify.log_reports import (
    FileVerdict,
    LogProblem,
    LogsOutcome,
    LogsReport,
    RuleReport,
)
from shredder.errors import ExitCode, gravest

_OUTCOMES = {
    ExitCode.DONE: LogsOutcome.COMPLETE,
    ExitCode.INCOMPLETE: LogsOutcome.INCOMPLETE,
    ExitCode.MISMATCH: LogsOutcome.MISMATCH,
    ExitCode.INTERRUPTED: LogsOutcome.INTERRUPTED,
    ExitCode.SERVICE: LogsOutcome.SERVICE,
    ExitCode.HELD: LogsOutcome.HELD,
}


def find_logs(entries: Iterable[Entry]) -> LogsReport:
    """Fold a run's evidence into its report.

    Raises:
        CertificateError: the entries cannot have happened in this order, or not under this policy.
    """
    history = read_log_history(entries)
    interrupted = history.ended is None or history.ended.interrupted
    killed = history.ended is None
    rules = tuple(_report(rule, interrupted=interrupted, killed=killed) for rule in history.rules)
    problems = tuple(_find_problems(history))
    exit_code = gravest(_exit_codes(rules, problems))
    return LogsReport(
        start=history.start,
        rules=rules,
        leftovers=history.leftovers,
        problems=problems,
        interrupted=interrupted,
        outcome=_OUTCOMES[exit_code],
        headline=_headline(_OUTCOMES[exit_code], rules, problems),
        exit_code=exit_code,
        started_at=history.started_at,
        ended_at=history.ended_at,
    )


def _report(rule: RuleHistory, *, interrupted: bool, killed: bool) -> RuleReport:
    for decision in rule.waiting.values():
        rule.listing.add(judge_waiting(decision, rule, interrupted=interrupted, killed=killed))
    return RuleReport(
        name=rule.name,
        promise=rule.promise,
        files=rule.listing.files,
        totals=rule.listing.totals,
        rotations=tuple(rule.rotations.values()),
        journal=rule.journal,
        released=tuple(rule.released),
        back=rule.back,
        hold=rule.hold,
        held=rule.held,
        summary=rule.summary,
        problems=tuple(find_rule_problems(rule)),
        exit_codes=frozenset(rule.listing.exit_codes),
    )


def _find_problems(history: LogsHistory) -> Iterator[LogProblem]:
    if history.ended is None:
        yield LogProblem(ExitCode.INTERRUPTED, "the evidence stops before the end of the run")
    elif history.ended.interrupted:
        yield LogProblem(ExitCode.INTERRUPTED, "the run was stopped")
    for service in history.leftovers.services if history.leftovers else ():
        if service.error is not None:
            what = f"{service.service}, STOPPED BY AN EARLIER RUN, DID NOT COME BACK: {service.error}"
            yield LogProblem(ExitCode.SERVICE, what, is_loud=True)
    for left in history.leftovers.found if history.leftovers else ():
        if left.problem or left.path in history.lost:
            why = left.problem or "it was not gone on with"
            yield LogProblem(ExitCode.INCOMPLETE, f"{left.path}, begun by an earlier run: {why}")


def _exit_codes(rules: Iterable[RuleReport], problems: Iterable[LogProblem]) -> Iterator[ExitCode]:
    yield from (problem.exit_code for problem in problems)
    for rule in rules:
        yield from (problem.exit_code for problem in rule.problems)
        yield from rule.exit_codes


def _headline(outcome: LogsOutcome, rules: Sequence[RuleReport], problems: Sequence[LogProblem]) -> str:
    verdicts: Counter[FileVerdict] = Counter()
    for total in (total for rule in rules for total in rule.totals):
        verdicts[total.verdict] += total.files
    parts = [_count(verdicts[verdict], verdict) for verdict in FileVerdict if verdicts[verdict]]
    loud = [problem.reason for rule in rules for problem in rule.problems if problem.is_loud]
    told = "; ".join([*loud, *(problem.reason for problem in problems), *parts]) or "no file was there"
    if outcome is LogsOutcome.COMPLETE:
        return f"complete: {told}"
    return f"held: {told}" if outcome is LogsOutcome.HELD else f"FAILED, {outcome}: {told}"


def _count(number: int, verdict: FileVerdict) -> str:
    return f"{number} {'file' if number == 1 else 'files'} {verdict}"
