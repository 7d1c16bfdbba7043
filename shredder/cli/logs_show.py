"""How logs, promises and decisions are shown to people."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from shredder.cli.tables import render_table
from shredder.discover.log_times import is_sealed
from shredder.discover.residue import Residue
from shredder.erase.unfinished import Entry
from shredder.log_model import LogFile
from shredder.log_policy import Rule
from shredder.logs.check import Checked, Promise
from shredder.logs.survey import Found
from shredder.plan.outline import outline
from shredder.plan.retention import Action, Decision, explain
from shredder.units import binary_size

_LOGS_SHOWN = 3


def describe_check(checked: Checked) -> str:
    """Return the promises as a table."""
    rows = [_promise_row(promise) for promise in checked.promises]
    return render_table(("RULE", "LOGS", "LONGEST LIFE OF A RECORD"), rows)


def list_warnings(checked: Checked) -> Iterator[str]:
    """Say what undoes a promise, is overlooked, or left alone."""
    for promise in checked.promises:
        for warning in promise.warnings:
            yield f"{promise.rule}: {promise.rotated_by}: {warning}"
        if promise.logs and promise.life.longest_s is None:
            yield f"{promise.rule}: the life of a record has {promise.life}"
        if not promise.logs:
            yield f"{promise.rule}: no file is there now" + (f": {promise.why}" if promise.why else "")
    for path in checked.strays:
        yield f"{path} belongs to a log of the policy, and no path of its rule matches it"
    for sealed in checked.sealed:
        many = (
            f"{sealed.example} and {sealed.files - 1} more are"
            if sealed.files > 1
            else f"{sealed.example} is"
        )
        yield (
            f"{sealed.rule}: {many} packed in a way that cannot be undone here: "
            "the last change alone says how old the records are, and they cannot be summarised"
        )
    for skipped in checked.skipped:
        yield f"{skipped.path} is left alone: {skipped.reason}"


def describe_files(found: Iterable[Found]) -> str:
    """Return all files as a table."""
    heads = ("RULE", "FILE", "SIZE", "FIRST RECORD", "LAST RECORD", "CHANGED")
    rows = [
        (item.rule.name, file.path, binary_size(file.size_bytes), *_times(file))
        for item in found
        for lineage in item.lineages
        for file in lineage.files
    ]
    return render_table(heads, rows)


def describe_residue(residue: Iterable[Residue]) -> str:
    """Return what else may hold what the logs held."""
    rows = [(item.kind, item.where, item.detail) for item in residue]
    return render_table(("ALSO THERE", "WHERE", "WHAT IT IS"), rows) if rows else ""


def describe_begun(begun: Iterable[Entry]) -> str:
    """Return the files that an earlier run had begun."""
    rows = [("finish", entry.path, binary_size(entry.size_bytes)) for entry in begun]
    head = f"first, whatever their age: {len(rows)} that an earlier run had begun, unless held by hand"
    return f"{head}\n{render_table(('ACTION', 'FILE', 'SIZE'), rows)}"


def describe_decisions(rule: Rule, decisions: Sequence[Decision], now_s: int) -> str:
    """Return what would happen for one rule, and why for each file."""
    due = sum(decision.action in (Action.SHRED, Action.HOLD) for decision in decisions)
    lines = [f"{rule.name}: {due} of {len(decisions)} files are due"]
    if any(decision.action is not Action.KEEP for decision in decisions):
        lines += [f"  {number}. {step}" for number, step in enumerate(outline(rule), start=1)]
    rows = [_decision_row(decision, rule, now_s) for decision in decisions]
    lines += [render_table(("ACTION", "FILE", "SIZE", "WHY"), rows)] if rows else []
    return "\n".join(lines)


def _promise_row(promise: Promise) -> tuple[str, str, str]:
    shown = ", ".join(promise.logs[:_LOGS_SHOWN])
    more = len(promise.logs) - _LOGS_SHOWN
    return promise.rule, f"{shown} and {more} more" if more > 0 else shown or "none", str(promise.life)


def _decision_row(decision: Decision, rule: Rule, now_s: int) -> tuple[str, str, str, str]:
    file = decision.file
    return decision.action, file.path, binary_size(file.size_bytes), explain(decision, rule, now_s)


def _times(file: LogFile) -> tuple[str, str, str]:
    if is_sealed(file.path):
        return "cannot be read", "cannot be read", _when(file.mtime_s)
    return _when(file.oldest_s), _when(file.newest_s), _when(file.mtime_s)


def _when(at_s: int | None) -> str:
    if at_s is None:
        return "unknown"
    return datetime.fromtimestamp(at_s).astimezone().isoformat(" ", timespec="seconds")
