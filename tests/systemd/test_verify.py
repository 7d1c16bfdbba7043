"""systemd's own check of the units that we write, and its reading of their times and words."""

import shutil
import subprocess
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from shredder.logs.policy import read_policy
from shredder.logs.unit_words import calendar, escape_name
from shredder.logs.units import Place, Unit, make_units

pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")

_POLICY = """[run]
notify = ["logger", "{policy}", "it's \\"$5\\" 100% \\\\ {exit_code}"]
every = "36 h"
[[logs]]
name = "web"
paths = ["/var/log/a b%/\\"c\\"/*.log*", "/srv/*/x.log"]
keep = "7 days"
after = "recreate"
release = { service = "nginx.service", how = "signal:USR1" }
[[journal]]
name = "journald"
keep = "14 days"
[[spool]]
name = "mail"
paths = ["/var/spool/Zürich 100%/done/*"]
keep = "0 s"
"""


def _make(path: str, *, hooks: bool, btrfs: bool) -> tuple[Unit, ...]:
    text = _POLICY + ('hold = ["true"]\n' if hooks else "")
    place = Place(("/usr/bin/true", "-I"), "/usr/bin/logger", ("/var/spool/Zürich 100%/done",), btrfs)
    return make_units(read_policy(text.encode(), path), place)


def _say(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("path", ["/etc/shredder/web.toml", '/etc/a %n "b" $c/e\'dge we@b-\\ü.toml'])
@pytest.mark.parametrize("hooks", [False, True])
@pytest.mark.parametrize("btrfs", [False, True])
def test_every_unit_is_taken_without_a_word(path: str, hooks: bool, btrfs: bool, tmp_path: Path) -> None:
    units = _make(path, hooks=hooks, btrfs=btrfs)
    assert len(units) == 5
    for unit in units:
        (tmp_path / unit.name).write_text(unit.text)
    for unit in units:
        assert _say("systemd-analyze", "verify", "--man=no", tmp_path / unit.name) == ""


@pytest.mark.parametrize(
    "minutes", [1, 5, 7, 30, 45, 60, 90, 300, 720, 1440, 2160, 4320, 10080, 44640, 99999]
)
def test_no_gap_between_two_runs_is_longer_than_the_policy_says(minutes: int) -> None:
    words = ("--iterations=60", "--base-time=2027-01-30 23:00:30 UTC", calendar(minutes * 60))
    told = _say("systemd-analyze", "calendar", *words)
    stamps = [
        line.split(maxsplit=2)[2]
        for line in told.splitlines()
        if "UTC" in line and ("#" in line or "Next" in line)
    ]
    times = [_read(stamp) for stamp in stamps]
    assert len(times) == 60
    gaps_s = [(after - before).total_seconds() for before, after in pairwise(times)]
    assert max(gaps_s) <= minutes * 60


def _read(stamp: str) -> datetime:
    words = stamp.split()[-3:]
    return datetime.strptime(" ".join(words), "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC)


@pytest.mark.parametrize("name", ["plain", "a b", "ü", "a@b", "back\\slash", "100%"])
def test_systemd_reads_the_names_that_we_make(name: str) -> None:
    assert _say("systemd-escape", "--unescape", escape_name(name).replace("-", "\\x2d")).rstrip("\n") == name
