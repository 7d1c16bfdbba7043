"""What falls due: by age, number and size; rotation, holds, and times that lie."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.log_model import LogFile
from shredder.log_policy import HeldBy, Hold, Lineage, Rule
from shredder.plan.promises import longest_life
from shredder.plan.retention import (
    Action,
    Decision,
    Reason,
    decide,
    explain,
    is_overlong,
    wants_newest,
    wants_oldest,
)
from shredder.units import DAY_S, HOUR_S
from tests.unit.log_builders import NOW_S, make_file, make_rule

_LIVE = "/var/log/web/access.log"


def _lineage(*rotated: LogFile, live: LogFile | None = None) -> Lineage:
    return Lineage(_LIVE, live, rotated)


def _only(decisions: Sequence[Decision]) -> Decision:
    (decision,) = decisions
    return decision


@pytest.mark.parametrize(
    ("mtime_s", "newest_s", "due"),
    [
        (NOW_S - 7 * DAY_S, None, True),
        (NOW_S - 7 * DAY_S + 1, None, False),
        (NOW_S - 8 * DAY_S, NOW_S - 7 * DAY_S, True),
        # the younger of the two counts, whichever it is
        (NOW_S - 8 * DAY_S, NOW_S - 6 * DAY_S, False),
        (NOW_S - 6 * DAY_S, NOW_S - 800 * DAY_S, False),
        (NOW_S - 8 * DAY_S, NOW_S + HOUR_S, False),
        # a client that dates a record into the future does not keep the file for ever
        (NOW_S - 8 * DAY_S, NOW_S + 400 * DAY_S, True),
        # and a record alone makes no file old
        (NOW_S + 400 * DAY_S, NOW_S - 8 * DAY_S, False),
        (NOW_S + 400 * DAY_S, NOW_S - 6 * DAY_S, False),
    ],
)
def test_age_is_that_of_the_younger_of_record_and_change(
    mtime_s: int, newest_s: int | None, due: bool
) -> None:
    rule, file = make_rule(), make_file(mtime_s=mtime_s, newest_s=newest_s)
    decision = _only(decide(_lineage(file), rule, NOW_S))
    assert (decision.action is Action.SHRED) == due
    # the records are asked for whenever they could keep the file
    if not due and mtime_s <= NOW_S - 7 * DAY_S:
        assert wants_newest(file, rule, NOW_S)


@given(st.integers(-400 * DAY_S, 400 * DAY_S), st.integers(0, 90 * DAY_S))
def test_a_record_that_lies_puts_its_file_off_by_keep_and_a_day_at_most(lie_s: int, keep_s: int) -> None:
    rule, lineage = make_rule(keep_s=keep_s), _lineage(make_file(newest_s=NOW_S + lie_s))
    in_time, late_s = NOW_S + keep_s, keep_s + DAY_S
    due = [_only(decide(lineage, rule, at_s)).action for at_s in (in_time, in_time + late_s)]
    assert Action.SHRED in due
    if lie_s <= 0:
        assert due[0] is Action.SHRED


def test_a_file_changed_far_ahead_of_now_is_kept_and_said_whatever_its_records_say() -> None:
    for newest_s in (None, NOW_S - 30 * DAY_S, NOW_S + 2 * DAY_S):
        file = make_file(mtime_s=NOW_S + 3 * DAY_S, newest_s=newest_s)
        decision = _only(decide(_lineage(file), make_rule(), NOW_S))
        assert (decision.action, decision.reason) == (Action.KEEP, Reason.AHEAD)
        assert "3 days ahead" in explain(decision, make_rule(), NOW_S)


@pytest.mark.parametrize("ahead_s", [60, HOUR_S, DAY_S])
def test_a_clock_that_is_a_little_off_is_no_matter(ahead_s: int) -> None:
    file = make_file(mtime_s=NOW_S + ahead_s)
    decision = _only(decide(_lineage(file), make_rule(), NOW_S))
    assert (decision.action, decision.reason) == (Action.KEEP, Reason.YOUNG)
    assert _only(decide(_lineage(file), make_rule(), NOW_S + 8 * DAY_S)).action is Action.SHRED


def test_what_is_kept_for_no_time_is_due_at_once_whatever_its_date() -> None:
    for mtime_s in (NOW_S, NOW_S + 400 * DAY_S, 0):
        file = make_file(mtime_s=mtime_s)
        assert _only(decide(_lineage(file), make_rule(keep_s=0), NOW_S)).action is Action.SHRED
        assert not wants_newest(file, make_rule(keep_s=0), NOW_S)


def _rotated(count: int) -> tuple[LogFile, ...]:
    """One a day, the newest first; in the order of their names `.10` stands before `.2`."""
    made = [make_file(f"access.log.{at}", mtime_s=NOW_S - at * DAY_S) for at in range(1, count + 1)]
    return tuple(sorted(made, key=lambda file: file.path))


def test_the_count_keeps_the_newest_and_does_not_count_the_live_file() -> None:
    rule = make_rule(keep_s=None, keep_count=10)
    decisions = decide(_lineage(*_rotated(12), live=make_file("access.log")), rule, NOW_S)
    due = [item.file.path for item in decisions if item.action is Action.SHRED]
    assert due == ["/var/log/web/access.log.11", "/var/log/web/access.log.12"]
    assert {item.reason for item in decisions if item.action is Action.SHRED} == {Reason.COUNT}


def test_the_size_is_that_of_the_whole_lineage_and_the_oldest_go_first() -> None:
    rule = make_rule(keep_s=None, keep_size_bytes=350)
    live = make_file("access.log")
    decisions = decide(_lineage(*_rotated(4), live=live), rule, NOW_S)
    due = [item.file.path for item in decisions if item.action is Action.SHRED]
    assert due == ["/var/log/web/access.log.3", "/var/log/web/access.log.4"]


def test_the_live_file_does_not_fall_due_by_size_or_count_unless_it_is_rotated() -> None:
    rule = make_rule(keep_s=None, keep_count=0, keep_size_bytes=1)
    live = make_file("access.log", oldest_s=NOW_S - 2 * DAY_S)
    assert _only(decide(_lineage(live=live), rule, NOW_S)).action is Action.KEEP
    decision = _only(decide(_lineage(live=live), replace(rule, rotate_s=DAY_S), NOW_S))
    assert (decision.action, decision.is_live) == (Action.SHRED, True)


def test_a_file_rotated_now_counts_as_the_newest() -> None:
    rule = make_rule(keep_s=None, keep_count=2, rotate_s=DAY_S)
    live = make_file("access.log", oldest_s=NOW_S - DAY_S)
    decisions = decide(_lineage(*_rotated(2), live=live), rule, NOW_S)
    assert [item.action for item in decisions] == [Action.ROTATE, Action.KEEP, Action.SHRED]


@pytest.mark.parametrize(
    ("live_oldest_s", "sibling_mtime_s", "action"),
    [
        (NOW_S - DAY_S, None, Action.ROTATE),
        (NOW_S - DAY_S + 1, None, Action.KEEP),
        (NOW_S - 400 * DAY_S, None, Action.ROTATE),
        # nothing says how old it is: the rotation before it does
        (None, NOW_S - DAY_S, Action.ROTATE),
        (None, NOW_S - HOUR_S, Action.KEEP),
        # nor is there one: better too early than never
        (None, None, Action.ROTATE),
        # a first record from the future puts nothing off
        (NOW_S + 2 * DAY_S, NOW_S - 2 * DAY_S, Action.ROTATE),
        (NOW_S + 2 * DAY_S, None, Action.ROTATE),
    ],
)
def test_rotation_by_the_oldest_record(
    live_oldest_s: int | None, sibling_mtime_s: int | None, action: Action
) -> None:
    rule = make_rule(rotate_s=DAY_S)
    live = make_file("access.log", oldest_s=live_oldest_s)
    rotated = () if sibling_mtime_s is None else (make_file(mtime_s=sibling_mtime_s),)
    decision = decide(_lineage(*rotated, live=live), rule, NOW_S)[0]
    assert (decision.file, decision.action) == (live, action)
    assert wants_oldest(rule)
    assert not wants_oldest(make_rule())


def test_a_quiet_live_file_falls_due_and_an_empty_one_stays() -> None:
    old = make_file("access.log", mtime_s=NOW_S - 8 * DAY_S, oldest_s=NOW_S - 9 * DAY_S)
    for rotate_s in (None, DAY_S):
        decision = _only(decide(_lineage(live=old), make_rule(rotate_s=rotate_s), NOW_S))
        assert (decision.action, decision.reason, decision.is_live) == (Action.SHRED, Reason.AGE, True)
        empty = replace(old, size_bytes=0)
        decision = _only(decide(_lineage(live=empty), make_rule(rotate_s=rotate_s), NOW_S))
        assert (decision.action, decision.reason) == (Action.KEEP, Reason.EMPTY)
    # an empty rotated file is nothing to read, but its name goes
    assert _only(decide(_lineage(replace(old, size_bytes=0)), make_rule(), NOW_S)).action is Action.SHRED


def test_a_file_with_other_names_is_kept_and_they_are_counted() -> None:
    file = make_file(mtime_s=0, links=3)
    decision = _only(decide(_lineage(file), make_rule(), NOW_S))
    assert (decision.action, decision.reason, decision.figure) == (Action.KEEP, Reason.LINKS, 3)


def _hold(**changes: object) -> Hold:
    hold = Hold("web", HeldBy.HAND, NOW_S - DAY_S, NOW_S + DAY_S, "attack", "root", None)
    return replace(hold, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("hold", "is_held"),
    [
        (_hold(), True),
        (_hold(until_s=NOW_S), False),
        (_hold(until_s=NOW_S + 1), True),
        (_hold(released_s=NOW_S - 5), False),
        (_hold(name="mail"), False),
        (_hold(by=HeldBy.HOOK, until_s=None), True),
    ],
)
def test_a_hold_keeps_what_is_due_and_nothing_else(hold: Hold, is_held: bool) -> None:
    rule = make_rule(rotate_s=DAY_S)
    lineage = _lineage(
        make_file("access.log.1"),
        make_file("access.log.2", mtime_s=NOW_S - 8 * DAY_S),
        live=make_file("access.log", oldest_s=NOW_S - DAY_S),
    )
    decisions = decide(lineage, rule, NOW_S, [hold])
    assert [item.action for item in decisions] == [
        Action.ROTATE,
        Action.KEEP,
        Action.HOLD if is_held else Action.SHRED,
    ]
    assert ("attack" in explain(decisions[2], rule, NOW_S)) == is_held


def test_only_the_policys_own_check_can_hold_for_too_long() -> None:
    rule = make_rule(hold_at_most_s=30 * DAY_S)
    since = {"since_s": NOW_S - 30 * DAY_S - 1, "until_s": None}
    assert is_overlong(_hold(by=HeldBy.HOOK, **since), rule, NOW_S)
    assert not is_overlong(_hold(by=HeldBy.HOOK, **since), rule, NOW_S - 1)
    assert not is_overlong(_hold(by=HeldBy.HAND, **since), rule, NOW_S)
    file = make_file(mtime_s=0)
    decision = _only(decide(_lineage(file), rule, NOW_S, [_hold(by=HeldBy.HOOK, **since)]))
    assert "a person must decide" in explain(decision, rule, NOW_S)


_TIMES = st.integers(NOW_S - 20 * DAY_S, NOW_S + 3 * DAY_S)
_FILES = st.builds(
    lambda at, size, mtime_s, newest_s: make_file(
        f"access.log.{at}", size_bytes=size, mtime_s=mtime_s, newest_s=newest_s
    ),
    st.integers(1, 10**6),
    st.integers(0, 1000),
    _TIMES,
    st.none() | _TIMES,
)
_LINEAGES = st.lists(_FILES, max_size=12, unique_by=lambda file: file.path).map(lambda made: _lineage(*made))


@given(_LINEAGES, st.integers(0, 15 * DAY_S), st.integers(0, 10 * DAY_S))
def test_longer_keeping_never_shreds_more_and_time_never_unshreds(
    lineage: Lineage, keep_s: int, later_s: int
) -> None:
    def due(rule: Rule, now_s: int) -> set[str]:
        return {item.file.path for item in decide(lineage, rule, now_s) if item.action is Action.SHRED}

    rule = make_rule(keep_s=keep_s)
    assert due(replace(rule, keep_s=keep_s + later_s), NOW_S) <= due(rule, NOW_S)
    believable = all(
        at <= NOW_S for file in lineage.files for at in (file.mtime_s, file.newest_s) if at is not None
    )
    if believable:
        assert due(rule, NOW_S) <= due(rule, NOW_S + later_s)


@given(_LINEAGES, st.integers(0, 15), st.integers(0, 5000))
def test_what_stays_is_within_count_and_size_and_nothing_older_than_what_goes(
    lineage: Lineage, keep_count: int, keep_size_bytes: int
) -> None:
    rule = make_rule(keep_s=None, keep_count=keep_count, keep_size_bytes=keep_size_bytes)
    decisions = decide(lineage, rule, NOW_S)
    assert sorted(item.file.path for item in decisions) == [
        file.path for file in sorted(lineage.files, key=lambda file: file.path)
    ]
    stays = [item for item in decisions if item.action is Action.KEEP]
    assert len(stays) <= keep_count
    assert sum(item.file.size_bytes for item in stays) <= keep_size_bytes
    assert [item.action for item in decisions] == sorted(
        (item.action for item in decisions), key=list(Action).index
    )
    # one more would have broken the promise: nothing is shredded before it must be
    if len(stays) < len(decisions):
        more = sum(item.file.size_bytes for item in [*stays, decisions[len(stays)]])
        assert len(stays) == keep_count or more > keep_size_bytes


@settings(deadline=None, max_examples=60)
@given(
    keep_s=st.integers(0, 5 * DAY_S),
    rotate_s=st.integers(0, 3 * DAY_S),
    gaps_s=st.lists(st.integers(1, DAY_S), min_size=40, max_size=40),
    steps_s=st.lists(st.integers(1, 12 * HOUR_S), min_size=60, max_size=60),
)
def test_no_record_outlives_the_promise(
    keep_s: int, rotate_s: int, gaps_s: list[int], steps_s: list[int]
) -> None:
    """Play a service that writes and runs that come now and then, with a clock of our own."""
    rule = make_rule(keep_s=keep_s, rotate_s=rotate_s)
    life = longest_life(rule, DAY_S, None)
    assert life.longest_s is not None
    writes = [NOW_S + sum(steps_s[: at + 1]) for at in range(len(steps_s))]
    files: dict[str, list[int]] = {}
    now_s, live = NOW_S, "access.log"
    for number, gap_s in enumerate(gaps_s):
        records = [at for at in writes if now_s < at <= now_s + gap_s]
        files[live] = files.get(live, []) + records
        now_s += gap_s
        assert all(now_s - at <= life.longest_s for records in files.values() for at in records)
        lineage = _play(files, live)
        for decision in decide(lineage, rule, now_s):
            name = decision.file.path.rpartition("/")[2]
            taken = files.pop(name) if decision.action is not Action.KEEP else []
            if decision.action is Action.ROTATE:
                files[f"{live}.{number + 1}"] = taken


def _play(files: dict[str, list[int]], live: str) -> Lineage:
    made = {
        name: make_file(
            name,
            size_bytes=len(records),
            mtime_s=records[-1] if records else 0,
            oldest_s=records[0] if records else None,
            newest_s=records[-1] if records else None,
        )
        for name, records in files.items()
    }
    return _lineage(*(file for name, file in made.items() if name != live), live=made.get(live))
