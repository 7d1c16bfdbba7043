"""`shredder logs`: what it prints, what it refuses, and that deciding writes nothing."""

import json
import os
import time
from pathlib import Path

import pytest

from shredder.erase.unfinished import Entry, Unfinished
from shredder.log_model import After
from tests.support.command import Shredder

_DAY_S = 86_400


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A folder of logs whose policy keeps a week; one file is nine days old."""
    folder = tmp_path / "log"
    folder.mkdir(mode=0o755)
    for name, days in (("a.log", 0), ("a.log.1", 9)):
        path = folder / name
        path.write_text("198.51.100.7 a record\n")
        then = time.time() - days * _DAY_S
        os.utime(path, (then, then))
    (tmp_path / "policy.toml").write_text(
        f'[run]\nstate = "{tmp_path}/state"\n'
        f'[[logs]]\nname = "web"\npaths = ["{folder}/*.log*"]\nkeep = "7 days"\nrotate = "never"\n'
    )
    return folder


def _see(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_dry_run_says_what_would_happen_and_why_and_writes_nothing(logs: Path, shredder: Shredder) -> None:
    before = _see(logs)
    told = shredder("logs", "shred", "policy.toml", "--dry-run").stdout
    assert "web: 1 of 2 files are due" in told
    (due,) = [line for line in told.splitlines() if line.startswith("shred ")]
    assert "a.log.1" in due
    assert due.endswith("youngest record or change is 9 days old, keep is 7 days")
    (kept,) = [line for line in told.splitlines() if line.startswith("keep ")]
    assert "falls due in 7 days" in kept or "falls due in 6 days 23 h" in kept
    assert _see(logs) == before
    assert not (logs.parent / "state").exists()


def test_a_hold_by_hand_and_its_release(logs: Path, shredder: Shredder) -> None:
    words = ("logs", "hold", "policy.toml", "web", "--until", "2999-12-31", "--reason", "attack\x1b[31m")
    assert "web is held until 3000-01-01 00:00" in shredder(*words, env={"SUDO_USER": "ann"}).stdout
    told = shredder("logs", "shred", "policy.toml", "--dry-run").stdout
    (held,) = [line for line in told.splitlines() if line.startswith("hold ")]
    assert "held by ann for under 1 s" in held or "held by ann for 1 s" in held
    assert "\x1b" not in told
    assert "held already" in shredder(*words, expect=2).stderr
    assert "no longer held" in shredder("logs", "release", "policy.toml", "web").stdout
    assert "\nshred " in shredder("logs", "shred", "policy.toml", "--dry-run").stdout
    shredder("logs", "release", "policy.toml", "web", expect=2)


@pytest.mark.parametrize(
    ("until", "shown"),
    [
        ("2999-12-31", "3000-01-01 00:00"),
        ("29991231", "3000-01-01 00:00"),
        ("2999-12-31T08:30:00+00:00", "2999-12-31 08:30"),
    ],
)
def test_a_hold_goes_to_the_end_of_its_last_day(
    until: str, shown: str, logs: Path, shredder: Shredder
) -> None:
    words = ("logs", "hold", "policy.toml", "web", "--until", until, "--reason", "x")
    assert f"web is held until {shown}" in shredder(*words, env={"TZ": "UTC"}).stdout


@pytest.mark.parametrize(
    "words",
    [
        ["hold", "policy.toml", "web", "--until", "2001-01-01", "--reason", "x"],
        ["hold", "policy.toml", "web", "--until", "soon", "--reason", "x"],
        ["hold", "policy.toml", "web", "--until", "2999-01-01", "--reason", " "],
        ["hold", "policy.toml", "mail", "--until", "2999-01-01", "--reason", "x"],
        ["hold", "policy.toml", "web", "--until", "2999-01-01"],
        ["release", "policy.toml", "mail"],
        ["check", "missing.toml"],
        ["check", "broken.toml"],
        ["list"],
    ],
)
def test_what_is_not_well_formed_is_a_usage_error(words: list[str], logs: Path, shredder: Shredder) -> None:
    (logs.parent / "broken.toml").write_text("[[logs]]\nname = 1\n")
    shredder("logs", *words, expect=2)
    assert not (logs.parent / "state").exists()


@pytest.mark.parametrize("command", [["check"], ["list"], ["shred", "--dry-run"]])
def test_a_policy_that_others_may_change_is_refused(
    command: list[str], logs: Path, shredder: Shredder
) -> None:
    (logs.parent / "policy.toml").chmod(0o666)
    told = shredder("logs", *command, "policy.toml", expect=3).stderr
    assert "can be written to by everybody" in told


def test_check_says_how_long_a_record_lives_and_what_undoes_it(logs: Path, shredder: Shredder) -> None:
    conf = logs.parent / "logrotate.conf"
    conf.write_text(f"{logs}/*.log {{\nweekly\nrotate 4\ncopytruncate\ncompress\n}}\n")
    done = shredder("logs", "check", "policy.toml", "--logrotate", conf)
    assert "15 days 15 min: keep 7 days + logrotate's interval 7 days + timer 1 day 15 min" in done.stdout
    assert done.stderr.count("shredder: warning: web: logrotate (") == 2
    assert "copytruncate" in done.stderr
    conf.write_text("")
    done = shredder("logs", "check", "policy.toml", "--logrotate", conf)
    assert "no bound: nothing rotates it" in done.stdout


def test_check_tells_a_mistyped_folder_from_one_that_is_empty(logs: Path, shredder: Shredder) -> None:
    policy = logs.parent / "policy.toml"
    text = policy.read_text()
    policy.write_text(text.replace("/*.log*", "/../lgo/*.log*"))
    assert shredder("logs", "check", "policy.toml", expect=2).stderr
    policy.write_text(text.replace("/log/*", "/lgo/*"))
    told = shredder("logs", "check", "policy.toml").stderr
    assert f"web: no file is there now: {logs.parent}/lgo is not there" in told
    (logs.parent / "lgo").mkdir()
    assert shredder("logs", "check", "policy.toml").stderr.endswith("web: no file is there now\n")


def test_a_dry_run_says_what_an_earlier_run_had_begun(logs: Path, shredder: Shredder) -> None:
    begun, state = logs / "a.log.1", logs.parent / "state"
    facts = begun.stat()
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    entry = Entry(
        path=str(begun),
        folder=str(logs),
        name=begun.name,
        new_name="zzzzzzz",
        device=device,
        file_system="",
        inode=facts.st_ino,
        born_ns=0,
        size_bytes=facts.st_size,
        mtime_ns=facts.st_mtime_ns,
        after=After.UNLINK,
    )
    state.mkdir(mode=0o700)
    unfinished = Unfinished(state / "unfinished")
    unfinished.begin([entry])
    unfinished.close()
    os.utime(begun)
    before = _see(state)
    told = shredder("logs", "shred", "policy.toml", "--dry-run").stdout
    assert "1 that an earlier run had begun" in told
    assert [line.split()[0] for line in told.splitlines() if str(begun) in line] == ["finish"]
    assert "web: 0 of 1 files are due" in told
    document = json.loads(shredder("logs", "shred", "policy.toml", "--dry-run", "--json").stdout)
    assert document["begun"] == [str(begun)]
    assert _see(state) == before


def test_what_cannot_be_unpacked_is_said(logs: Path, shredder: Shredder) -> None:
    for number in (2, 3):
        (logs / f"a.log.{number}.zst").write_bytes(b"\x28\xb5\x2f\xfd")
    said = f"web: {logs}/a.log.2.zst and 1 more are packed in a way that cannot be undone here"
    assert said in shredder("logs", "check", "policy.toml").stderr
    (row,) = [line for line in shredder("logs", "list", "policy.toml").stdout.splitlines() if "log.3" in line]
    assert row.count("cannot be read") == 2
    (sealed,) = json.loads(shredder("logs", "check", "policy.toml", "--json").stdout)["sealed"]
    assert (sealed["rule"], sealed["files"]) == ("web", 2)


def test_json_everywhere(logs: Path, shredder: Shredder) -> None:
    def ask(*words: str) -> dict[str, object]:
        document: dict[str, object] = json.loads(shredder("logs", *words, "policy.toml", "--json").stdout)
        assert document["version"] == 1
        return document

    assert ask("check")["promises"]
    assert {"rules", "residue"} < set(ask("list"))
    (rule,) = json.loads(shredder("logs", "shred", "policy.toml", "--dry-run", "--json").stdout)["rules"]
    assert [item["action"] for item in rule["decisions"]] == ["keep", "shred"]
    assert "198.51.100.7" not in json.dumps(ask("list"))


def test_list_shows_files_and_what_is_left_alone(logs: Path, shredder: Shredder) -> None:
    (logs / "link.log").symlink_to("a.log")
    done = shredder("logs", "list", "policy.toml")
    assert str(logs / "a.log.1") in done.stdout
    assert f"{logs}/link.log is left alone: is a symbolic link" in done.stderr
