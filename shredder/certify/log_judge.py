"""What keeps one file from success. Nothing found is the only way to succeed."""

from collections.abc import Iterator

from shredder.certify.log_reports import FileReport, FileVerdict, LogProblem
from shredder.errors import ExitCode
from shredder.log_events import FileDecision, FileResult, Promise, Verdict
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


def judge_decision(decision: FileDecision) -> FileReport | None:
    """Return what a file came to that nothing was to be done with; None where something was."""
    match decision.verdict:
        case Verdict.NOT_DUE:
            return FileReport(decision.path, FileVerdict.NOT_DUE, decision, None, ())
        case Verdict.HELD:
            problem = LogProblem(ExitCode.HELD, decision.why)
            return FileReport(decision.path, FileVerdict.HELD, decision, None, (problem,))
        case Verdict.REFUSED:
            problem = LogProblem(ExitCode.INCOMPLETE, decision.why)
            return FileReport(decision.path, FileVerdict.REFUSED, decision, None, (problem,))
    return None


def judge_result(decision: FileDecision | None, result: FileResult, promise: Promise | None) -> FileReport:
    """Return what a file came to that was due.

    Args:
        decision: why it was; None for what an earlier run had begun.
        result: what became of it.
        promise: its rule; None where the policy no longer has it.
    """
    problems = [*find_result_problems(result, promise)]
    if decision and (decision.device, decision.inode) != (result.device, result.inode):
        problems.insert(0, LogProblem(ExitCode.INCOMPLETE, "it is not the file that was decided on"))
    return FileReport(result.path, _verdict(result), decision, result, tuple(problems))


def _verdict(result: FileResult) -> FileVerdict:
    if result.mismatches:
        return FileVerdict.MISMATCH
    if result.state is FileState.UNTOUCHED:
        return FileVerdict.KEPT
    if result.state is FileState.DAMAGED or result.unwritten or result.grade is None:
        return FileVerdict.DAMAGED
    return _OF_GRADE[result.grade]


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
