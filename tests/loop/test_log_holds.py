"""Holds by hand in whole runs: each stands in the evidence of the next run, and is then forgotten."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shredder.certify.log_reports import FileVerdict
from shredder.log_events import FilesShredded
from shredder.log_policy import HeldBy, Hold
from shredder.logs.holds import add_hold, release_hold
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_runs import DAY_S, LogsRun, Place, make_place, shred_at, shred_by_command

MIB = 1 << 20
WEEK = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
"""
ASKS = 'hold = ["{root}/hold"]\n'


@pytest.fixture
def place(loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path]) -> Place:
    made = make_place(mounted(loop_factory(48 * MIB).path, "ext4"))
    made.write_policy(WEEK)
    return made


def told(run: LogsRun) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.events("logs-started")[0]["holds"]
    return found


def on_record(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((place.state / "holds.json").read_text())["holds"]
    return found


def hold(place: Place, shredder: Shredder, reason: str, until: str = "2099-01-01") -> None:
    shredder("logs", "hold", place.policy, "web", "--until", until, "--reason", reason)


def test_one_that_was_set_and_released_between_two_runs_is_not_lost(place: Place, shredder: Shredder) -> None:
    log = place.write_log("access.log.2", 9)
    hold(place, shredder, "court order 7")
    shredder("logs", "release", place.policy, "web")
    hold(place, shredder, "court order 8")
    shredder("logs", "release", place.policy, "web")
    run = shred_by_command(shredder, place)
    assert not log.exists()
    assert [item["reason"] for item in told(run)] == ["court order 7", "court order 8"]
    assert all(item["released_s"] for item in told(run))
    shown = shredder("certificate", "show", run.folder / "certificate.json").stdout
    assert "court order 7" in shown
    assert "court order 8" in shown
    assert on_record(place) == []
    assert told(shred_by_command(shredder, place)) == []


def test_one_that_ran_out_stands_in_the_next_run_and_is_forgotten(place: Place) -> None:
    log = place.write_log("access.log.2", 9)
    now_s = int(time.time())
    add_hold(place.state, Hold("web", HeldBy.HAND, now_s, now_s + DAY_S, "a day", "ann", None))
    assert shred_at(place, now_s + DAY_S - 1).exit_code == 7
    assert log.exists()
    assert len(on_record(place)) == 1
    ended = shred_at(place, now_s + DAY_S)
    assert ended.exit_code == 0
    assert [(item.reason, item.released_s) for item in ended.report.start.holds] == [("a day", None)]
    assert not log.exists()
    assert on_record(place) == []
    assert shred_at(place, now_s + 2 * DAY_S).report.start.holds == ()


def test_one_that_is_in_force_stands_in_every_run(place: Place, shredder: Shredder) -> None:
    hold(place, shredder, "court order 7")
    for _ in range(2):
        assert [item["reason"] for item in told(shred_by_command(shredder, place))] == ["court order 7"]
    assert len(on_record(place)) == 1


def test_a_release_in_mid_run_is_told_by_the_next(place: Place) -> None:
    """The run has told that it is held; that it is over no more stands there."""
    now_s = int(time.time())
    add_hold(place.state, Hold("web", HeldBy.HAND, now_s, now_s + 9 * DAY_S, "x", "ann", None))
    events: list[Any] = []

    class Meddling(list[Any]):
        def append(self, event: Any) -> None:
            if not events:
                release_hold(place.state, "web", HeldBy.HAND, now_s + 1)
            events.append(event)

    place.write_log("access.log.2", 9)
    shred_at(place, now_s + 2, Meddling())
    assert [item["released_s"] for item in on_record(place)] == [now_s + 1]
    after = shred_at(place, now_s + 3)
    assert [item.released_s for item in after.report.start.holds] == [now_s + 1]
    assert on_record(place) == []


def test_what_no_certificate_tells_is_not_forgotten(place: Place, shredder: Shredder) -> None:
    """A run that is refused, or cannot write its certificate, leaves them to the next."""
    log = place.write_log("access.log.2", 9)
    hold(place, shredder, "court order 7")
    shredder("logs", "release", place.policy, "web")
    full = place.root / "there"
    full.mkdir()
    (full / "already").touch()
    shredder("logs", "shred", place.policy, "--output", full, expect=3)
    assert len(on_record(place)) == 1
    spoil = place.write_script("hold", f"for f in {place.state}/runs/*/evidence.jsonl; do echo >> $f; done")
    place.write_policy(WEEK + ASKS)
    done = shredder("logs", "shred", place.policy, expect=8)
    assert "changed by somebody else" in done.stderr
    assert not log.exists()
    assert len(on_record(place)) == 1
    spoil.write_text("#!/bin/sh\n")
    place.write_log("access.log.2", 9)
    run = shred_by_command(shredder, place)
    assert [item["reason"] for item in told(run)] == ["court order 7"]
    assert on_record(place) == []


def test_another_rule_is_not_held(place: Place, shredder: Shredder) -> None:
    other = place.root / "other"
    other.mkdir(mode=0o755)
    second = f'[[logs]]\nname = "app"\npaths = ["{other}/*"]\nkeep = "0 s"\n'
    place.write_policy(WEEK + "\n" + second)
    kept = place.write_log("access.log.2", 9)
    gone = other / "app.1"
    gone.write_text("x")
    hold(place, shredder, "court order 7")
    shred_by_command(shredder, place, expect=7)
    assert kept.exists()
    assert not gone.exists()


def test_a_file_that_is_named_by_hand_is_held_too(place: Place, shredder: Shredder) -> None:
    """logrotate's hand-over must not get around a court order."""
    log = place.write_log("access.log.2", 1)
    before = log.read_bytes()
    hold(place, shredder, "court order 7")
    done = shredder("logs", "shred", place.policy, "--file", log, "--keep-name", expect=7)
    assert "held by" in done.stderr
    assert "court order 7" in done.stderr
    assert log.read_bytes() == before
    shredder("logs", "release", place.policy, "web")
    shredder("logs", "shred", place.policy, "--file", log)
    assert not log.exists()


HOLD_IN_SHELL = """
    set -e
    {command} logs hold {policy} web --until 2099-01-01 --reason "court order 7" 2> {said}
"""


def test_one_that_comes_while_the_run_goes_on_keeps_every_file(place: Place, shredder: Shredder) -> None:
    """The check takes its time; a person does not wait for it, and is told that it is held."""
    logs = [place.write_log(f"access.log.{number}", 9) for number in (2, 3)]
    before = [log.read_bytes() for log in logs]
    said = place.root / "said"
    command = f"cd {Path.cwd()}; {sys.executable} -m shredder"
    place.write_script("hold", HOLD_IN_SHELL.format(command=command, policy=place.policy, said=said))
    place.write_policy(WEEK + ASKS)
    done = shredder("logs", "shred", place.policy, expect=7)
    assert "web: held by root while the run went on: court order 7" in done.stderr
    assert said.read_text() == "shredder: a run goes on just now: what it has begun is not held back\n"
    assert [log.read_bytes() for log in logs] == before
    run = place.runs[-1]
    assert run.results() == {}
    shown = shredder("certificate", "show", run.folder / "certificate.json", expect=None).stdout
    assert shown.startswith("held: ") or "held: 2 files held" in shown
    assert "court order 7" in shown
    assert [item["reason"] for item in told(shred_by_command(shredder, place, expect=7))] == ["court order 7"]


def test_one_that_comes_while_files_are_shredded_keeps_the_others(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shredder.erase.batch._ROUND_FILES", 2)
    for number in range(2, 8):
        place.write_log(f"access.log.{number}", 9)
    now_s = int(time.time())

    class Meddling(list[Any]):
        def append(self, event: Any) -> None:
            if isinstance(event, FilesShredded) and not any(isinstance(item, FilesShredded) for item in self):
                add_hold(place.state, Hold("web", HeldBy.HAND, now_s, now_s + DAY_S, "x", "ann", None))
            super().append(event)

    ended = shred_at(place, now_s + 1, Meddling())
    assert ended.exit_code == 7
    assert ended.has_certificate
    left = len(list(place.logs.iterdir()))
    assert 0 < left < 6
    verdicts = [file.verdict for rule in ended.report.rules for file in rule.files]
    assert verdicts.count(FileVerdict.HELD) == left
    assert verdicts.count(FileVerdict.PROVEN) == 6 - left


def test_without_a_run_nothing_is_said_of_one(place: Place, shredder: Shredder) -> None:
    words = ("logs", "hold", place.policy, "web", "--until", "2099-01-01", "--reason", "x")
    shredder("logs", "shred", place.policy)
    assert shredder(*words).stderr == ""


def test_a_policy_without_the_rule_that_is_held_is_refused(place: Place, shredder: Shredder) -> None:
    """A new name for the rule must not end what a court has ordered."""
    log = place.write_log("access.log.2", 9)
    before = log.read_bytes()
    hold(place, shredder, "court order 7")
    place.write_policy(WEEK.replace('"web"', '"www"'))
    for words in (("shred", place.policy), ("shred", place.policy, "--dry-run")):
        done = shredder("logs", *words, expect=3)
        assert "web is held by root, and" in done.stderr
        assert "court order 7" in done.stderr
        assert f"shredder logs release {place.policy} web" in done.stderr
    assert log.read_bytes() == before
    assert place.runs == []
    shredder("logs", "release", place.policy, "mail", expect=2)
    shredder("logs", "release", place.policy, "web")
    assert [item["reason"] for item in told(shred_by_command(shredder, place))] == ["court order 7"]
    assert not log.exists()


def test_a_file_that_is_named_by_hand_does_not_ask_for_other_rules(place: Place, shredder: Shredder) -> None:
    log = place.write_log("access.log.2", 9)
    hold(place, shredder, "court order 7")
    place.write_policy(WEEK.replace('"web"', '"www"'))
    shredder("logs", "shred", place.policy, "--file", log)
    assert not log.exists()


def test_a_person_can_decide_when_the_check_has_held_for_too_long(place: Place, shredder: Shredder) -> None:
    log = place.write_log("access.log.2", 9)
    check = place.write_script("hold", "exit 75")
    place.write_policy(WEEK + ASKS + 'hold_at_most = "30 days"\n')
    now_s = int(time.time())
    shredder("logs", "release", place.policy, "web", expect=2)
    shred_at(place, now_s - 40 * DAY_S)
    add_hold(place.state, Hold("web", HeldBy.HOOK, now_s - 40 * DAY_S, None, "the policy's check", "", None))
    overlong = shredder("logs", "shred", place.policy, expect=9)
    assert "a person must decide" in overlong.stdout
    done = shredder("logs", "release", place.policy, "web")
    assert "the next run asks the check again, and hold_at_most counts anew" in done.stdout
    run = shred_by_command(shredder, place, expect=7)
    (ended,) = [item for item in told(run) if item["released_s"]]
    assert ended["by"] == "hook"
    assert run.events("hold-checked")[0]["since_s"] >= now_s
    assert log.exists()
    check.write_text("#!/bin/sh\n")
    shredder("logs", "shred", place.policy)
    assert not log.exists()


def test_a_hold_by_hand_is_released_before_that_of_the_check(place: Place, shredder: Shredder) -> None:
    hold(place, shredder, "court order 7")
    add_hold(place.state, Hold("web", HeldBy.HOOK, 0, None, "the policy's check", "", None))
    assert "court order 7" in shredder("logs", "release", place.policy, "web").stdout
    assert "the policy's check" in shredder("logs", "release", place.policy, "web").stdout
    shredder("logs", "release", place.policy, "web", expect=2)
