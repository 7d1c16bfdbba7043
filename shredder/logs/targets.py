"""From decisions to targets: what the evidence says of each file, and what a run is to do with it."""

import contextlib
import os
import stat
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shredder.discover.hard_links import find_names
from shredder.discover.lineages import Skipped, make_file, name_before_rotation
from shredder.discover.log_times import read_span
from shredder.discover.openers import FileKey
from shredder.erase.names import open_folder
from shredder.errors import UsageError
from shredder.log_events import FileDecision, Verdict
from shredder.log_model import LogFile
from shredder.log_policy import Hold, Rule, RuleKind
from shredder.logs.labels import Labels
from shredder.logs.survey import Decided
from shredder.plan.retention import Action, Decision, Reason, explain, wants_span

_VERDICTS = {
    Action.KEEP: Verdict.NOT_DUE,
    Action.ROTATE: Verdict.ROTATE,
    Action.SHRED: Verdict.DUE,
    Action.HOLD: Verdict.HELD,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What is decided for one file: for the evidence, and the file itself where something is to be done."""

    decision: FileDecision
    file: LogFile | None
    is_live: bool


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done for one rule: live files to rename, and others that are due, used up on the way."""

    rule: Rule
    live: list[Judged]
    due: list[LogFile]


def judge_files(found: Decided, labels: Labels, now_s: int, begun: Collection[FileKey]) -> Iterator[Judged]:
    """Yield what was found, file by file.

    Args:
        found: with the decisions.
        labels: names files for the evidence.
        now_s: seconds since 1970.
        begun: files that an earlier run has begun; they are finished in another way.
    """
    for decision in found.decisions:
        if decision.file.key in begun:
            continue
        verdict, why = _judge(decision, found.rule, now_s, labels)
        file = decision.file
        is_unread = file.oldest_s is None and file.newest_s is None
        if verdict is Verdict.DUE and is_unread and wants_span(found.rule):
            file = read_span(file)
        has_task = verdict in (Verdict.DUE, Verdict.ROTATE)
        yield Judged(_describe(file, verdict, why, labels), file if has_task else None, decision.is_live)
    for item in dict.fromkeys(found.skipped):
        yield Judged(_describe_skipped(item, labels), None, is_live=False)


def judge_named(path: str, labels: Labels, hold: Hold | None) -> Judged:
    """Return what is to be done with one file that was named by hand.

    Args:
        path: the file.
        labels: names files for the evidence.
        hold: a person's, that is in force for the rule; it counts for this file too.

    Raises:
        UsageError: it is not there.
    """
    try:
        facts = os.lstat(path)
    except OSError as error:
        raise UsageError(f"cannot look at {path}: {error.strerror}") from None
    file = make_file(path, facts)
    if stat.S_ISREG(facts.st_mode):
        file = read_span(file)
    if hold:
        why = f"it was named by hand; held by {hold.who}: {hold.reason}"
        return Judged(_describe(file, Verdict.HELD, why, labels), None, is_live=False)
    return Judged(_describe(file, Verdict.DUE, "it was named by hand", labels), file, is_live=False)


def matches_rule(rule: Rule, path: str) -> bool:
    """Return whether a pattern of the rule names a path, or the log that we rotated it away from."""
    folder, _, name = path.rpartition("/")
    names = {name, name_before_rotation(name)} if rule.kind is RuleKind.LOGS else {name}
    return any(_names_path(pattern, f"{folder}/{name}") for pattern in rule.paths for name in names)


def _names_path(pattern: str, path: str) -> bool:
    """* stays within one name."""
    wanted, parts = pattern.split("/"), path.split("/")
    return len(wanted) == len(parts) and all(map(fnmatchcase, parts, wanted))


def _judge(decision: Decision, rule: Rule, now_s: int, labels: Labels) -> tuple[Verdict, str]:
    why = explain(decision, rule, now_s)
    if decision.is_live and rule.kind is RuleKind.JOURNAL:
        return Verdict.NOT_DUE, "the active journal is never touched"
    if decision.reason is Reason.AHEAD:
        return Verdict.REFUSED, why
    if decision.action is Action.KEEP and decision.reason is Reason.LINKS:
        names = map(labels.of, _other_names(decision.file))
        return Verdict.REFUSED, f"{why}: {', '.join(names) or 'none was found'}"
    return _VERDICTS[decision.action], why


def _other_names(file: LogFile) -> Iterator[str]:
    with contextlib.suppress(OSError):
        folder = open_folder(file.path.rpartition("/")[0] or "/")
        try:
            yield from find_names(folder, file.device, file.inode, file.links)
        finally:
            os.close(folder)


def _describe(file: LogFile, verdict: Verdict, why: str, labels: Labels) -> FileDecision:
    return FileDecision(
        path=labels.of(file.path),
        device=file.device,
        inode=file.inode,
        size_bytes=file.size_bytes,
        changed_s=file.mtime_s,
        oldest_s=file.oldest_s,
        newest_s=file.newest_s,
        verdict=verdict,
        why=sys.intern(labels.in_text(why, file.path)),
    )


def _describe_skipped(item: Skipped, labels: Labels) -> FileDecision:
    why = labels.in_text(item.reason, item.path)
    return FileDecision(labels.of(item.path), "", 0, 0, None, None, None, Verdict.REFUSED, why)
