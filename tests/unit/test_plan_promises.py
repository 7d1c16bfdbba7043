"""The longest life of a record, what logrotate does against it, and a run in words."""

from dataclasses import replace

import pytest

from shredder.log_model import After, Grade
from shredder.log_policy import Rotation, Rule, RuleKind
from shredder.model import VerifyKind
from shredder.plan.outline import outline
from shredder.plan.promises import find_conflicts, longest_life
from shredder.units import DAY_S, MIB
from tests.unit.log_builders import make_policy, make_rule

_GAP_S = DAY_S
_CALM = Rotation("/etc/logrotate.d/web:1", ("*",), DAY_S, 30, None, False, False, False, False, False, "", "")


@pytest.mark.parametrize(
    ("rule", "rotation", "days"),
    [
        (make_rule(rotate_s=DAY_S), None, 7 + 2 + 1),
        (make_rule(), _CALM, 7 + 1 + 1),
        (make_rule(), replace(_CALM, interval_s=7 * DAY_S), 7 + 7 + 1),
        (make_rule(kind=RuleKind.SPOOL, keep_s=0), None, 1),
        (make_rule(kind=RuleKind.JOURNAL), None, 7 + 1 + 1),
        (make_rule(), None, None),
        (make_rule(), replace(_CALM, interval_s=None), None),
        (make_rule(), replace(_CALM, copies=True), None),
        (make_rule(), replace(_CALM, copies=True, truncates=True), 9),
        (make_rule(keep_s=None, keep_count=3, rotate_s=DAY_S), _CALM, None),
    ],
)
def test_the_longest_life(rule: Rule, rotation: Rotation | None, days: int | None) -> None:
    life = longest_life(rule, _GAP_S, rotation)
    assert life.longest_s == (None if days is None else days * DAY_S)
    assert str(life).startswith("no bound: " if days is None else f"{days} day")


def test_a_check_that_may_hold_is_part_of_the_promise() -> None:
    rule = make_rule(rotate_s=DAY_S, hold=("check",), hold_at_most_s=30 * DAY_S)
    assert "while held up to 30 days more" in str(longest_life(rule, _GAP_S, None))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"truncates": True}, ["copytruncate"]),
        ({"count": 8}, ["rotate 8 may remove files unshredded"]),
        ({"count": 9}, []),
        ({"count": 0}, ["rotate 0 may remove"]),
        ({"count": -1}, []),
        ({"interval_s": None}, ["rotate 30 may remove"]),
        ({"count": 4, "shreds": True}, ["with shred, which is not verified"]),
        ({"count": 4, "hands_over": True}, []),
        ({"max_age_s": 5 * DAY_S}, ["maxage of 5 days may remove"]),
        ({"max_age_s": 5 * DAY_S, "hands_over": True}, []),
        ({"max_age_s": 8 * DAY_S}, ["maxage of 8 days may remove", "maxage is longer than keep"]),
        ({"max_age_s": 9 * DAY_S}, ["maxage is longer than keep: 9 days, keep is 7 days"]),
        ({"compresses": True}, ["compress frees the plain original unshredded"]),
        ({"compresses": True, "shreds": True}, ["compress shreds the plain original unverified"]),
        ({"compresses": True, "hands_over": True}, []),
        ({"mails_to": "a@example.org"}, ["mail sends logs to a@example.org"]),
        ({"other_folder": "/var/log/old"}, ["olddir moves rotated files to /var/log/old"]),
        ({"other_folder": "/var/log/web"}, []),
    ],
)
def test_what_logrotate_does_against_it(changes: dict[str, object], said: list[str]) -> None:
    rotation = replace(_CALM, **changes)  # type: ignore[arg-type]
    found = list(find_conflicts(make_rule(), _GAP_S, rotation))
    assert len(found) == len(said)
    assert all(part in line for part, line in zip(said, found, strict=True))


def test_two_that_rotate_are_one_too_many() -> None:
    (said,) = find_conflicts(make_rule(rotate_s=DAY_S), _GAP_S, _CALM)
    assert "logrotate rotates it too" in said


def test_a_rule_without_a_time_cannot_be_met_by_any_count_of_logrotate() -> None:
    (said,) = find_conflicts(make_rule(keep_s=None, keep_count=5), _GAP_S, _CALM)
    assert "rotate 30 may remove" in said


_HEAD = '[[logs]]\nname = "web"\npaths = ["/var/log/web/*"]\nkeep = "0 s"\nhold = ["check", "{name}"]\n'


@pytest.mark.parametrize(
    ("how", "second", "last"),
    [
        ('how = "signal:USR1", service = "a"', "send SIGUSR1 to a", "overwrite"),
        ('how = "restart", service = "a"', "restart a", "overwrite"),
        ('how = "stop-start", service = "a"', "stop a", "start a"),
        ('how = "stop-start", stop = ["x", "y"], start = ["z"]', "stop x y", "start z"),
        ('how = "command: kick it"', "run kick it", "overwrite"),
        ('how = "none"', "wait up to 1 min", "overwrite"),
    ],
)
def test_the_steps_are_told_in_their_order(how: str, second: str, last: str) -> None:
    (rule,) = make_policy(f"{_HEAD}release = {{ {how} }}\n").rules
    told = list(outline(rule))
    assert told[0].startswith("rename the live file")
    assert told[1].startswith(second)
    assert told[-1].startswith(last)
    asked, overwritten = (
        next(at for at, step in enumerate(told) if step.startswith(word)) for word in ("ask", "over")
    )
    assert asked < overwritten


def test_what_is_written_is_told_with_all_that_was_asked_for() -> None:
    work = make_rule().work
    work = replace(work, passes=3, limit_bytes_per_s=50 * MIB, require=Grade.PROVEN, after=After.RECREATE)
    rule = make_rule(work=work, summarise=("sum", "{file}"))
    assert "summarise with sum {file}" in list(outline(rule))
    assert list(outline(rule))[-1] == (
        "overwrite (random x 3, verified in full, at most 50.0 MiB/s, only what can be proven or better), "
        "rename, unlink, leave a fresh empty file"
    )
    silent = make_rule(work=replace(work, verify=VerifyKind.NONE))
    assert "not verified" in list(outline(silent))[-1]
    assert "journald" in next(outline(make_rule(kind=RuleKind.JOURNAL)))
