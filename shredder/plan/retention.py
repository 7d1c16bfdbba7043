"""Which files of a lineage fall due, and why: lineage, rule and the time now to decisions. Pure.

The age of a file is that of the younger of its newest record and its last change. A client may choose what
a record says, so its time alone makes no file old; one that lies more than a day ahead of now is not
believed, or it would keep its file for ever. So a lie can put a file off by keep and a day, and no more.
A day, as records without a zone may be off by that much. Where no record can be read, the last change alone
counts; where that lies more than a day ahead, the age cannot be told: the file is kept, and said to be.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from shredder.log_model import LogFile
from shredder.log_policy import HeldBy, Hold, Lineage, Rule, RuleKind
from shredder.units import DAY_S, binary_size, long_duration


class Action(StrEnum):
    """What is done with a file: nothing, renamed away from its service, shredded, or kept by a hold."""

    KEEP = "keep"
    ROTATE = "rotate"
    SHRED = "shred"
    HOLD = "hold"


class Reason(StrEnum):
    """Why."""

    AGE = "age"
    COUNT = "count"
    SIZE = "size"
    ROTATION = "rotation"
    YOUNG = "young"
    EMPTY = "empty"
    AHEAD = "ahead"
    LINKS = "links"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with one file.

    `is_live`: its service is made to let go of it first. `figure` is what the reason speaks of: an age in
    seconds (AGE, YOUNG, ROTATION; -1 where it cannot be told), a number of files or names (COUNT, LINKS),
    bytes (SIZE), or seconds ahead of now (AHEAD).
    """

    file: LogFile
    action: Action
    reason: Reason
    figure: int
    is_live: bool
    hold: Hold | None


def wants_newest(file: LogFile, rule: Rule, now_s: int) -> bool:
    """True when the decision may hang on the file's newest record: its last change alone makes it due."""
    return bool(rule.keep_s) and now_s - file.mtime_s >= (rule.keep_s or 0)


def wants_oldest(rule: Rule) -> bool:
    """True when the decision on a live file hangs on its oldest record."""
    return bool(rule.rotate_s)


def wants_span(rule: Rule) -> bool:
    """True when the evidence tells of what time a file's records are.

    A spool may hold anything, and very much of it: its files are read only for a command that asks.
    """
    return rule.kind is not RuleKind.SPOOL or bool(rule.hold or rule.summarise)


def decide(lineage: Lineage, rule: Rule, now_s: int, holds: Iterable[Hold] = ()) -> tuple[Decision, ...]:
    """Return one decision for each file of a lineage, the newest first.

    Args:
        lineage: with the records' times read where `wants_newest` and `wants_oldest` say so.
        rule: its rule.
        now_s: seconds since 1970.
        holds: all that are known; those of other rules or not in force do nothing.
    """
    rotated = sorted(lineage.rotated, key=lambda file: (-_youngest_s(file, now_s), file.path))
    live = lineage.live
    decisions: list[Decision] = []
    if live:
        rotation = _judge_rotation(live, rotated, rule, now_s)
        decisions.append(rotation or _judge_live(live, rule, now_s))
    # a live file that is rotated now is the newest of the rotated ones
    place = int(any(decision.action is Action.ROTATE for decision in decisions))
    before_bytes = live.size_bytes if live else 0
    for file in rotated:
        decisions.append(_judge(file, rule, now_s, place, before_bytes))
        place += 1
        before_bytes += file.size_bytes
    hold = next((hold for hold in holds if hold.name == rule.name and hold.is_in_force(now_s)), None)
    return tuple(_hold_back(_refuse_links(decision), hold) for decision in decisions)


def _judge_rotation(live: LogFile, rotated: list[LogFile], rule: Rule, now_s: int) -> Decision | None:
    """Return the decision on a live file that is to be rotated: it may fall due at once."""
    if rule.rotate_s is None or not live.size_bytes:
        return None
    began_s = _began_s(live, rotated, now_s)
    if began_s is not None and now_s - began_s < rule.rotate_s:
        return None
    due = _judge(live, rule, now_s, 0, 0)
    if due.action is Action.SHRED:
        return replace(due, is_live=True)
    figure = -1 if began_s is None else now_s - began_s
    return Decision(live, Action.ROTATE, Reason.ROTATION, figure, is_live=True, hold=None)


def _began_s(live: LogFile, rotated: list[LogFile], now_s: int) -> int | None:
    """Return when a live file's first record was written, as far as that can be told and believed.

    Else it is as old as the last change of what was rotated before it; with nothing there, it is not known.
    """
    if live.oldest_s is not None and live.oldest_s <= now_s + DAY_S:
        return min(live.oldest_s, now_s)
    return max((file.mtime_s for file in rotated if file.mtime_s <= now_s), default=None)


def _judge_live(live: LogFile, rule: Rule, now_s: int) -> Decision:
    """Return the decision on a live file that stays: only its age can make it due."""
    if not live.size_bytes:
        return Decision(live, Action.KEEP, Reason.EMPTY, 0, is_live=True, hold=None)
    only_age = replace(rule, keep_size_bytes=None, keep_count=None)
    return replace(_judge(live, only_age, now_s, 0, 0), is_live=True)


def _judge(file: LogFile, rule: Rule, now_s: int, place: int, before_bytes: int) -> Decision:
    """Return the decision on a file that nobody writes to any more.

    Args:
        file: the file.
        rule: its rule.
        now_s: seconds since 1970.
        place: how many rotated files are newer.
        before_bytes: how large the newer files of the lineage are together.
    """
    ahead_s = _youngest_s(file, now_s) - now_s
    age_s = max(0, -ahead_s)
    if rule.keep_s is not None and age_s >= rule.keep_s:
        return _decision(file, Action.SHRED, Reason.AGE, age_s)
    if rule.keep_count is not None and place >= rule.keep_count:
        return _decision(file, Action.SHRED, Reason.COUNT, place)
    together_bytes = before_bytes + file.size_bytes
    if rule.keep_size_bytes is not None and together_bytes > rule.keep_size_bytes:
        return _decision(file, Action.SHRED, Reason.SIZE, together_bytes)
    if ahead_s > DAY_S:
        return _decision(file, Action.KEEP, Reason.AHEAD, ahead_s)
    return _decision(file, Action.KEEP, Reason.YOUNG, age_s)


def _decision(file: LogFile, action: Action, reason: Reason, figure: int) -> Decision:
    return Decision(file, action, reason, figure, is_live=False, hold=None)


def _youngest_s(file: LogFile, now_s: int) -> int:
    """Return the younger of last change and newest record; a record that lies far ahead does not count."""
    if file.newest_s is None or file.newest_s > now_s + DAY_S:
        return file.mtime_s
    return max(file.newest_s, file.mtime_s)


def _refuse_links(decision: Decision) -> Decision:
    if decision.action is Action.KEEP or decision.file.links == 1:
        return decision
    return replace(decision, action=Action.KEEP, reason=Reason.LINKS, figure=decision.file.links)


def _hold_back(decision: Decision, hold: Hold | None) -> Decision:
    if hold is None or decision.action is not Action.SHRED:
        return decision
    return replace(decision, action=Action.HOLD, hold=hold)


def is_overlong(hold: Hold, rule: Rule, now_s: int) -> bool:
    """True when the policy's own check has held for longer than it may: a person must decide."""
    return hold.by is HeldBy.HOOK and now_s - hold.since_s > rule.hold_at_most_s


def explain(decision: Decision, rule: Rule, now_s: int) -> str:
    """Say why, in words for a list of files."""
    why = _explain_reason(decision, rule)
    return f"{why}; {_explain_hold(decision.hold, rule, now_s)}" if decision.hold else why


def _explain_reason(decision: Decision, rule: Rule) -> str:
    figure = decision.figure
    match decision.reason:
        case Reason.AGE:
            age = long_duration(figure)
            return f"youngest record or change is {age} old, keep is {_of(rule.keep_s)}"
        case Reason.COUNT:
            return f"{figure} rotated files are newer, keep_count is {rule.keep_count}"
        case Reason.SIZE:
            limit = binary_size(rule.keep_size_bytes or 0)
            return f"with what is newer it makes {binary_size(figure)}, keep_size is {limit}"
        case Reason.ROTATION:
            age = "of unknown age" if figure < 0 else f"{long_duration(figure)} old"
            return f"live, oldest record is {age}, rotate is {_of(rule.rotate_s)}"
        case Reason.YOUNG if rule.keep_s is None:
            return "within keep_count and keep_size"
        case Reason.YOUNG:
            return f"falls due in {long_duration((rule.keep_s or 0) - figure)}"
        case Reason.EMPTY:
            return "live and empty"
        case Reason.AHEAD:
            return f"its age cannot be told: it is dated {long_duration(figure)} ahead of now"
        case Reason.LINKS:
            return f"it has {figure} names, and shredding it would empty them all"


def _explain_hold(hold: Hold, rule: Rule, now_s: int) -> str:
    who = f"by {hold.who}" if hold.by is HeldBy.HAND else "by the policy's check"
    said = f"held {who} for {long_duration(now_s - hold.since_s)}: {hold.reason}"
    if not is_overlong(hold, rule, now_s):
        return said
    return f"{said}; longer than hold_at_most, {_of(rule.hold_at_most_s)}: a person must decide"


def _of(seconds: int | None) -> str:
    return long_duration(seconds or 0)
