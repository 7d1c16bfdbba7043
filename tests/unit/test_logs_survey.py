"""A policy taken into use on real files: what is trusted, found, decided and promised."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.discover.logrotate import read_rotations
from shredder.errors import RefusedError, UsageError
from shredder.log_policy import HeldBy, Hold, Policy
from shredder.logs.check import check_policy
from shredder.logs.load import find_program, load_policy
from shredder.logs.survey import look, look_and_decide, with_spans
from shredder.plan.retention import Action
from shredder.units import DAY_S
from tests.unit.log_builders import NOW_S

_LINE = "2026-11-01T00:00:00Z a record\n"
_LINE_S = 1_793_491_200


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of logs: a live one, one rotated eight days ago, one six."""
    folder = tmp_path / "log"
    folder.mkdir(mode=0o755)
    for name, days in (("a.log", 0), ("a.log.1", 6), ("a.log.2", 8)):
        (folder / name).write_text(_LINE)
        os.utime(folder / name, (NOW_S, NOW_S - days * DAY_S))
    return folder


def _load(logs: Path, more: str = "", *, pattern: str = "*.log*") -> Policy:
    path = logs.parent / "policy.toml"
    path.write_text(f'[[logs]]\nname = "web"\npaths = ["{logs}/{pattern}"]\nkeep = "7 days"\n{more}')
    return load_policy(path)


def test_what_is_due_and_what_is_held(logs: Path) -> None:
    policy = _load(logs)
    (found,) = look_and_decide(policy, NOW_S, ())
    decisions = tuple(found.decisions)
    assert [(Path(item.file.path).name, item.action) for item in decisions] == [
        ("a.log", Action.KEEP),
        ("a.log.1", Action.KEEP),
        ("a.log.2", Action.SHRED),
    ]
    hold = Hold("web", HeldBy.HAND, 0, None, "x", "root", None)
    (found,) = look_and_decide(policy, NOW_S, (item for item in [hold]))
    assert [item.action for item in found.decisions] == [Action.KEEP, Action.KEEP, Action.HOLD]


def test_records_are_read_only_where_the_decision_hangs_on_them(logs: Path) -> None:
    (found,) = look_and_decide(_load(logs), NOW_S, ())
    assert {Path(item.file.path).name: item.file.newest_s for item in found.decisions} == {
        "a.log": None,
        "a.log.1": None,
        "a.log.2": _LINE_S,
    }
    (found,) = look_and_decide(_load(logs, 'rotate = "1 day"\n'), NOW_S, ())
    first, *_ = found.decisions
    assert (first.file.oldest_s, first.action) == (_LINE_S, Action.ROTATE)
    spans = with_spans(look(_load(logs))[0])
    assert {file.oldest_s for lineage in spans.lineages for file in lineage.files} == {_LINE_S}


def test_a_young_record_keeps_a_file_that_was_changed_long_ago(logs: Path) -> None:
    (logs / "a.log.2").write_text("2026-11-17T00:00:00Z young\n")
    os.utime(logs / "a.log.2", (NOW_S, NOW_S - 8 * DAY_S))
    (found,) = look_and_decide(_load(logs), NOW_S, ())
    assert {item.action for item in found.decisions} == {Action.KEEP}


def test_a_file_that_two_rules_claim_is_touched_by_neither(logs: Path) -> None:
    other = f'[[logs]]\nname = "other"\npaths = ["{logs}/a.log.2"]\nkeep = "1 day"\n'
    web, greedy = look_and_decide(_load(logs, other), NOW_S, ())
    assert (len([*web.decisions]), [*greedy.decisions]) == (2, [])
    for found in (web, greedy):
        assert [(item.path, item.reason) for item in found.skipped] == [
            (f"{logs}/a.log.2", "is named by several rules")
        ]


def test_the_promise_of_what_is_there(logs: Path) -> None:
    conf = logs.parent / "logrotate.conf"
    conf.write_text(f"{logs}/a.log {{\ndaily\nrotate 3\ncompress\n}}\n")
    (logs / "b.log").write_text(_LINE)
    (logs / "link.log").symlink_to("b.log")
    checked = check_policy(_load(logs, pattern="*.log"), read_rotations(conf))
    rotated, left = checked.promises
    assert rotated.logs == (f"{logs}/a.log",)
    assert rotated.life.longest_s == 9 * DAY_S + 900
    assert [warning.partition(" ")[0] for warning in rotated.warnings] == ["rotate", "compress"]
    assert (left.logs, left.life.longest_s, left.warnings) == ((f"{logs}/b.log",), None, ())
    assert checked.strays == (f"{logs}/a.log.1", f"{logs}/a.log.2")
    assert [item.path for item in checked.skipped] == [f"{logs}/link.log"]
    (empty,) = check_policy(_load(logs, pattern="nothing*"), ()).promises
    assert empty.logs == ()


def test_a_stray_of_one_rule_that_another_claims_is_none(logs: Path) -> None:
    other = f'[[logs]]\nname = "old"\npaths = ["{logs}/a.log.?"]\nkeep = "1 day"\n'
    assert check_policy(_load(logs, other, pattern="a.log"), ()).strays == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('hold = ["./check"]', "relative path"),
        ('summarise = ["/no/such/program", "{file}"]', "the program /no/such/program is not there"),
        ('release = { how = "command: no-such-program-anywhere" }', "no-such-program-anywhere is not there"),
        ('release = { how = "stop-start", stop = ["true"], start = ["nope-nope"] }', "nope-nope"),
    ],
)
def test_programs_must_be_there(logs: Path, line: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _load(logs, line + "\n")


def test_programs_are_found_where_the_system_keeps_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "true").write_text("#!/bin/sh\n")
    (tmp_path / "true").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("true") in ("/usr/bin/true", "/bin/true")


def _open_policy(logs: Path) -> None:
    (logs.parent / "policy.toml").chmod(0o666)


def _open_hook(logs: Path) -> None:
    (logs.parent / "check").chmod(0o777)


def _open_folder(logs: Path) -> None:
    logs.parent.chmod(0o777)


@pytest.mark.parametrize("open_up", [_open_policy, _open_hook, _open_folder])
def test_a_policy_or_a_program_that_others_may_change_is_refused(
    logs: Path, open_up: Callable[[Path], None]
) -> None:
    hook = logs.parent / "check"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    _load(logs, f'hold = ["{hook}"]\n')
    open_up(logs)
    with pytest.raises(RefusedError, match="can be written to by everybody"):
        load_policy(logs.parent / "policy.toml")


def test_a_policy_that_cannot_be_read_is_an_error(logs: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        load_policy(logs.parent / "missing.toml")
    big = logs.parent / "big.toml"
    big.write_text("#" * (2 << 20))
    with pytest.raises(UsageError, match="too large"):
        load_policy(big)
