"""What keeps one file, or one rule, from success. Nothing found is the only way to succeed."""

from collections.abc import Iterator

from shredder.certify.log_history import RuleHistory
from shredder.certify.log_reports import FileReport, FileVerdict, LogProblem
from shredder.errors import ExitCode
from shredder.log_events import FileDecision, FileResult, HoldAnswer, Promise, Verdict
from shredder.log_model import After, FileState, Grade, ReadBack
from shredder.model import VerifyKind
from shredder.ranges import total_bytes

_BEST_FIRST = tuple(Grade)
_OF_GRADE = {
    Grade.PROVEN: FileVerdict.PROVEN,
    Grade.IN_PLACE: FileVerdict.IN_PLACE,
    Grade.MOVED: FileVerdict.MOVED,
    Grade.UNPROVABLE: FileVerdict.UNPROVABLE,
}
_DONE = (FileState.OVERWRITTEN, FileState.UNLINKED)


def judge_decided(
    decision: FileDecision, rule: RuleHistory, *, interrupted: bool, killed: bool
) -> FileReport:
    """Return what one file of a rule came to.

    Args:
        decision: what was to be done with it.
        rule: everything that happened under its rule.
        interrupted: the run was stopped, or its evidence simply stops.
        killed: it simply stops.
    """
    result = rule.results.get(decision.path)
    if result is not None:
        problems = [*_identity_problems(decision, result), *find_result_problems(result, rule.promise)]
        return FileReport(decision.path, _verdict(result), decision, result, tuple(problems))
    verdict, found = _judge_without_result(decision, rule, interrupted=interrupted, killed=killed)
    return FileReport(decision.path, verdict, decision, None, found)


def judge_continued(result: FileResult, promise: Promise | None) -> FileReport:
    """Return what a file came to that an earlier run had begun."""
    problems = tuple(find_result_problems(result, promise))
    return FileReport(result.path, _verdict(result), None, result, problems)


def _judge_without_result(
    decision: FileDecision, rule: RuleHistory, *, interrupted: bool, killed: bool
) -> tuple[FileVerdict, tuple[LogProblem, ...]]:
    match decision.verdict:
        case Verdict.NOT_DUE:
            return FileVerdict.NOT_DUE, ()
        case Verdict.HELD:
            return FileVerdict.HELD, (LogProblem(ExitCode.HELD, decision.why),)
        case Verdict.REFUSED:
            return FileVerdict.REFUSED, (LogProblem(ExitCode.INCOMPLETE, decision.why),)
    rotation = rule.rotations.get(decision.path)
    if decision.verdict is Verdict.ROTATE and rotation is not None and rotation.error is None:
        return FileVerdict.ROTATED, ()
    problem = _why_kept(decision, rule, interrupted)
    if problem.exit_code is ExitCode.INTERRUPTED and killed:
        reason = "the evidence stops before it says what became of it"
        return FileVerdict.UNKNOWN, (LogProblem(ExitCode.INTERRUPTED, reason),)
    return (FileVerdict.HELD if problem.exit_code is ExitCode.HELD else FileVerdict.KEPT), (problem,)


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
    if any(item.error is not None for item in rule.released):
        return LogProblem(ExitCode.SERVICE, "kept, as its service did not let go")
    if rule.failed:
        return LogProblem(ExitCode.INCOMPLETE, rule.failed[0].error)
    if interrupted:
        return LogProblem(ExitCode.INTERRUPTED, "the run ended before its turn")
    return LogProblem(ExitCode.INCOMPLETE, "the evidence does not say what became of it")


def _verdict(result: FileResult) -> FileVerdict:
    if result.mismatches:
        return FileVerdict.MISMATCH
    if result.state is FileState.UNTOUCHED:
        return FileVerdict.KEPT
    if result.state is FileState.DAMAGED or result.unwritten or result.grade is None:
        return FileVerdict.DAMAGED
    return _OF_GRADE[result.grade]


def _identity_problems(decision: FileDecision, result: FileResult) -> Iterator[LogProblem]:
    if (decision.device, decision.inode) != (result.device, result.inode):
        yield LogProblem(ExitCode.INCOMPLETE, "it is not the file that was decided on")


def find_result_problems(result: FileResult, promise: Promise | None) -> Iterator[LogProblem]:
    """Yield what keeps a file that was begun from success.

    Args:
        result: what became of it.
        promise: its rule; None where the policy no longer has it: then what the rules say by default counts.
    """
    if result.mismatches:
        differing = total_bytes(result.mismatches)
        yield LogProblem(ExitCode.MISMATCH, f"{differing} bytes differ from what was written")
    if result.unwritten:
        left = total_bytes(result.unwritten)
        yield LogProblem(ExitCode.INCOMPLETE, f"{left} bytes were not overwritten")
    if result.problem is not None:
        yield LogProblem(ExitCode.INCOMPLETE, result.problem)
    elif result.state not in _DONE:
        yield LogProblem(ExitCode.INCOMPLETE, f"it is {result.state}")
    elif promise and (result.state is FileState.OVERWRITTEN) != (promise.after is After.KEEP_NAME):
        yield LogProblem(ExitCode.INCOMPLETE, "its name is not what was asked for")
    if result.state in _DONE:
        yield from _proof_problems(result, promise)


def _proof_problems(result: FileResult, promise: Promise | None) -> Iterator[LogProblem]:
    verify = promise.verify if promise else VerifyKind.FULL
    if verify is not VerifyKind.NONE and result.read_back is ReadBack.NONE:
        yield LogProblem(ExitCode.INCOMPLETE, "it was not read back")
    if result.grade is Grade.PROVEN and result.read_back is not ReadBack.RAW:
        yield LogProblem(ExitCode.INCOMPLETE, "nothing is proven without reading the device")
    if result.grade is None:
        yield LogProblem(ExitCode.INCOMPLETE, "it has no grade")
    elif not is_enough(result.grade, promise.require if promise else None):
        yield LogProblem(ExitCode.INCOMPLETE, f"{result.grade}: {result.reason}")


def is_enough(grade: Grade, require: Grade | None) -> bool:
    """Return whether a grade counts as done; without a requirement, what was overwritten in place does."""
    return _BEST_FIRST.index(grade) <= _BEST_FIRST.index(require or Grade.IN_PLACE)


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
