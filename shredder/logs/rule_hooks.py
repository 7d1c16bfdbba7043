"""Asks a rule's own commands about the files that fall due, and puts their answers on record."""

from collections.abc import Sequence

from shredder.log_events import HoldAnswer, HoldChecked, Summarised
from shredder.log_model import LogFile
from shredder.log_policy import HeldBy, Hold, Rule
from shredder.logs.holds import add_hold, read_holds, release_hold
from shredder.logs.hooks import Records, ask_hold, summarise
from shredder.logs.memory import mark_of
from shredder.logs.shredding import Run
from shredder.plan.retention import is_overlong


def is_clear(rule: Rule, run: Run, due: Sequence[LogFile]) -> bool:
    """Ask the check, where there is one, whether the files may be shredded.

    Raises:
        ShredderError: the holds on record cannot be read or written.
    """
    if not rule.hold:
        return True
    records = _records(due)
    asked = ask_hold(rule, run.state, records, run.stop)
    hold = _note_hold(asked.answer, rule, run)
    run.record(
        HoldChecked(
            rule=rule.name,
            answer=asked.answer,
            exit_code=asked.ended.exit_code,
            error=asked.ended.error,
            from_s=records.from_s,
            to_s=records.to_s,
            since_s=hold.since_s if hold else None,
            overlong=hold is not None and is_overlong(hold, rule, run.clock.now_s),
        )
    )
    return asked.answer is HoldAnswer.CLEAR


def is_summarised(rule: Rule, run: Run, due: Sequence[LogFile]) -> bool:
    """Summarise each file once, also when an earlier run was killed before it could shred it.

    Raises:
        ShredderError: what was summarised cannot be put on record.
    """
    if not rule.summarise:
        return True
    marks = run.memory.marks()
    fresh = [file for file in due if mark_of(rule.name, file) not in marks]
    if not fresh:
        return True
    found = summarise(rule, run.state, _records(fresh), run.clock.now(), run.stop)
    if found.error is None:
        run.memory.set_marks({*marks, *(mark_of(rule.name, file) for file in fresh)})
    error = None if found.error is None else run.labels.in_text(found.error, found.path)
    run.record(Summarised(rule.name, len(fresh), found.outputs, error))
    return found.error is None


def _records(files: Sequence[LogFile]) -> Records:
    # what cannot be read may be as old as anything
    from_s = min(0 if file.oldest_s is None else file.oldest_s for file in files)
    to_s = max(max(file.newest_s or 0, file.mtime_s) for file in files)
    return Records(tuple(file.path for file in files), from_s, to_s)


def _note_hold(answer: HoldAnswer, rule: Rule, run: Run) -> Hold | None:
    """Put on record that the check holds, or no longer does; returns its hold."""
    now_s = run.clock.now_s
    holds = [item for item in read_holds(run.state) if (item.name, item.by) == (rule.name, HeldBy.HOOK)]
    known = next((item for item in holds if item.is_in_force(now_s)), None)
    if answer is HoldAnswer.CLEAR:
        if known:
            release_hold(run.state, rule.name, HeldBy.HOOK, now_s)
        return None
    if known is None:
        known = Hold(rule.name, HeldBy.HOOK, now_s, None, f"the policy's check: {answer}", "", None)
        add_hold(run.state, known)
    return known
