"""What we read from logrotate's configuration is what logrotate itself reads from it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from shredder.discover.logrotate import CONFIGURATION, read_rotations
from shredder.log_policy import Rotation
from shredder.units import DAY_S, HOUR_S

_LOGROTATE = shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin")
_INTERVALS = {
    "hourly": HOUR_S,
    "after 1 days": DAY_S,
    "weekly": 7 * DAY_S,
    "monthly": 31 * DAY_S,
    "yearly": 366 * DAY_S,
}
_HEADING = re.compile(
    r"^rotating pattern: (?P<patterns>[^,]*?)\s+(?P<when>hourly|weekly|monthly|yearly|after 1 days|\d+ bytes)"
    r"(?: \((?P<count>[^)]*)\))?",
    re.MULTILINE,
)

pytestmark = pytest.mark.skipif(not _LOGROTATE, reason="logrotate is not installed")


def _run(folder: Path, *words: str | Path) -> str:
    state = ("--state", folder / "state", "--skip-state-lock")
    done = subprocess.run(
        [str(_LOGROTATE), *map(str, (*state, *words))],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def _as_logrotate_says(told: str) -> list[tuple[str, int | None, int]]:
    """Return patterns, interval and count of each definition, out of what `logrotate --debug` prints."""
    return [
        (
            " ".join(found["patterns"].replace('"', "").split("\n")),
            _INTERVALS.get(found["when"]),
            _count(found["count"]),
        )
        for found in _HEADING.finditer(told)
    ]


def _count(said: str | None) -> int:
    """Read e.g. "4 rotations", "no old logs will be kept", or nothing where all are."""
    if said is None:
        return -1
    return int(said.split()[0]) if said[0].isdigit() else 0


def _as_we_say(rotations: Iterable[Rotation]) -> list[tuple[str, int | None, int]]:
    return [(" ".join(item.patterns), item.interval_s, item.count) for item in rotations]


def test_logrotate_and_we_read_the_same_from_what_debian_ships(tmp_path: Path) -> None:
    told = _as_logrotate_says(_run(tmp_path, "--debug", CONFIGURATION))
    assert len(told) > 3
    ours = [
        item for item in read_rotations() if "minsize" not in Path(item.where.rpartition(":")[0]).read_text()
    ]
    shipped = [item for item in told if item[0] in {" ".join(rotation.patterns) for rotation in ours}]
    assert _as_we_say(ours) == shipped


def test_logrotate_and_we_read_the_same_from_the_odd_corners(tmp_path: Path) -> None:
    included = tmp_path / "conf.d"
    included.mkdir()
    (included / "leaks").write_text(f"rotate 9\n{tmp_path}/logs/leak.log {{\nmissingok\n}}\n")
    (included / "old.dpkg-old").write_text(f"{tmp_path}/logs/old.log {{\n}}\n")
    conf = tmp_path / "logrotate.conf"
    conf.write_text(
        f"""
weekly
rotate 4
include {included}
{tmp_path}/logs/a.log
"{tmp_path}/logs/with blank.log"
{tmp_path}/logs/b*.log {{
    missingok
    daily
    postrotate
        monthly {{
    endscript
    rotate=-1
}}
monthly
{tmp_path}/logs/c.log {{
  missingok
  size 5M
  rotate 0
}}
yearly
rotate 2
{tmp_path}/logs/d.log {{
  missingok
}}
{tmp_path}/logs/e.log {{
  missingok
  size 5M
  hourly
}}
"""
    )
    told = _run(tmp_path, "--debug", conf)
    assert "error: " not in told
    ours = read_rotations(conf)
    assert [item.count for item in ours] == [9, -1, 0, 2, 2]
    assert _as_we_say(ours) == _as_logrotate_says(told)


@pytest.mark.parametrize("compress", ["", "compress\n"])
def test_every_file_that_goes_is_handed_to_preremove_also_the_plain_one_that_was_compressed(
    tmp_path: Path, compress: str
) -> None:
    """So whoever hands over in preremove needs no warning for either."""
    logs, handed = tmp_path / "logs", tmp_path / "handed"
    logs.mkdir(mode=0o755)
    conf = tmp_path / "logrotate.conf"
    script = f'preremove\n head -c 6 "$1" >> {handed}; echo " $1" >> {handed}\nendscript\n'
    conf.write_text(f"{logs}/a.log {{\nrotate 1\n{compress}{script}}}\n")
    for number in range(3):
        (logs / "a.log").write_text(f"line {number}\n")
        assert "error" not in _run(tmp_path, "--force", conf)
    (rotation,) = read_rotations(conf)
    assert rotation.compresses == bool(compress)
    told = handed.read_text(errors="replace")
    for number in range(3 if compress else 2):
        assert f"line {number} {logs}/a.log." in told
