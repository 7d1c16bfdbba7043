"""What keeps a rule from success, and the files that it did not get to. Nothing found is success."""

from collections.abc import Iterator

from shredder.certify.log_history import RuleHistory
from shredder.certify.log_reports import FileReport, FileVerdict, LogProblem
from shredder.errors import ExitCode
from shredder.log_events import FileDecision, HoldAnswer, Verdict


def judge_waiting(
    decision: FileDecision, rule: RuleHistory, *, interrupted: bool, killed: bool
) -> FileReport:
    """Return what a file came to that something was to be done with, and that has no result.

    Args:
        decision: what was to be done with it.
        rule: everything that happened under its rule.
        interrupted: the run was stopped, or its evidence simply stops.
        killed: it simply stops.
    """
    rotation = rule.rotations.get(decision.path)
    if decision.verdict is Verdict.ROTATE and rotation is not None and rotation.error is None:
        return FileReport(decision.path, FileVerdict.ROTATED, decision, None, ())
    problem = _why_kept(decision, rule, interrupted)
    verdict = FileVerdict.HELD if problem.exit_code is ExitCode.HELD else FileVerdict.KEPT
    if problem.exit_code is ExitCode.INTERRUPTED and killed:
        reason = "the evidence stops before it says what became of it"
        verdict, problem = FileVerdict.UNKNOWN, LogProblem(ExitCode.INTERRUPTED, reason)
    return FileReport(decision.path, verdict, decision, None, (problem,))


def _why_kept(decision: FileDecision, rule: RuleHistory, interrupted: bool) -> LogProblem:
    """The first step that it did not get past."""
    rotation, still_open = rule.rotations.get(decision.path), rule.open.get(decision.path)
    if rotation is not None and rotation.error is not None:
        return LogProblem(ExitCode.INCOMPLETE, rotation.error)
    if still_open is not None:
        return LogProblem(ExitCode.INCOMPLETE, f"still open after {still_open.waited_ms} ms: {still_open.by}")
    if rule.hold is not None and rule.hold.answer is not HoldAnswer.CLEAR:
        return LogProblem(ExitCode.HELD, "held by the policy's check")
    if rule.summary is not None and rule.summary.error is not None:
        return LogProblem(ExitCode.SERVICE, "kept, as it was not summarised")
    if rule.held is not None:
        hold = rule.held.hold
        return LogProblem(ExitCode.HELD, f"held by {hold.who} while the run went on: {hold.reason}")
    if any(item.error is not None for item in rule.released):
        return LogProblem(ExitCode.SERVICE, "kept, as its service did not let go")
    if rule.failed:
        return LogProblem(ExitCode.INCOMPLETE, rule.failed[0].error)
    if interrupted:
        return LogProblem(ExitCode.INTERRUPTED, "the run ended before its turn")
    return LogProblem(ExitCode.INCOMPLETE, "the evidence does not say what became of it")


def find_rule_problems(rule: RuleHistory) -> Iterator[LogProblem]:
    """Yield what went wrong beside the files."""
    if rule.journal is not None and rule.journal.error is not None:
        yield LogProblem(ExitCode.SERVICE, f"journald was not rotated: {rule.journal.error}")
    for item in rule.released:
        if item.error is not None:
            yield LogProblem(ExitCode.SERVICE, f"the service did not let go ({item.how}): {item.error}")
    yield from _back_problems(rule)
    yield from _hold_problems(rule)
    if rule.summary is not None and rule.summary.error is not None:
        yield LogProblem(ExitCode.SERVICE, f"the summary failed: {rule.summary.error}")
    for failed in rule.failed:
        yield LogProblem(ExitCode.INCOMPLETE, failed.error)


def _back_problems(rule: RuleHistory) -> Iterator[LogProblem]:
    if rule.back is not None and rule.back.error is not None:
        what = f"THE SERVICE OF {rule.name} DID NOT COME BACK: {rule.back.error}"
        yield LogProblem(ExitCode.SERVICE, what, is_loud=True)
    stopped = any(item.how == "stop-start" for item in rule.released)
    if stopped and rule.back is None:
        what = f"THE SERVICE OF {rule.name} WAS STOPPED, and nothing says that it was brought back"
        yield LogProblem(ExitCode.SERVICE, what, is_loud=True)


def _hold_problems(rule: RuleHistory) -> Iterator[LogProblem]:
    check = rule.hold
    if check is None:
        return
    if check.answer is HoldAnswer.FAILED:
        what = f"the check of {rule.name} failed, which holds: {check.error}"
        yield LogProblem(ExitCode.SERVICE, what, is_loud=True)
    if check.overlong:
        what = f"the check of {rule.name} has held for longer than hold_at_most: a person must decide"
        yield LogProblem(ExitCode.SERVICE, what, is_loud=True)
