"""The policies that ship with the program, each played through its time line on a real ext4."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from shredder.certify.keys import new_key
from shredder.erase.transfer import StopFlag
from shredder.errors import ExitCode
from shredder.logs.addresses import holds_full_address
from shredder.logs.job import Asked, shred_logs
from shredder.logs.load import load_policy
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_runs import ADDRESS, DAY_S, clock_at, combined_line
from tests.support.machine import run

_EXAMPLES = resources.files("shredder.logs") / "examples"
_NAMES = ("edge-web-server", "proxy-operator", "update-mirror", "web-application")
_BEGIN_S = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
_HOUR_S = 3600
_MEMORY = Path("/dev/shm")
_QUARTER_S = 900
_TOKEN = re.compile(r"token-(\d+)")
# as it stands in a record, and not in a summary of requests
_IN_RECORD = "?token=hunter2 HTTP"
_needs_goaccess = pytest.mark.skipif(not shutil.which("goaccess"), reason="goaccess is not installed")


@dataclass(frozen=True)
class Stage:
    """A file system on which an example's /var is played; its services are scripts."""

    root: Path
    device: LoopDevice

    @property
    def var(self) -> Path:
        """What is /var in the example."""
        return self.root / "var"

    def play(self, name: str, **services: str) -> None:
        """Take an example, moved below `root`; each service's way to let go becomes that of a script."""
        text = (_EXAMPLES / f"{name}.toml").read_text(encoding="utf-8").replace("/var/", f"{self.var}/")
        for service, release in services.items():
            text, count = re.subn(
                rf'\{{ service = "{service}.service", how = "[^"]*" \}}', f"{{ {release} }}", text
            )
            assert count, service
        (self.root / "policy.toml").write_text(text)
        for folder in re.findall(r'paths = \["([^"]*)/[^/"]*"\]', text):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def script(self, name: str, text: str) -> Path:
        """Write an executable script."""
        path = self.root / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    def run(self, at_s: int) -> ExitCode:
        """Shred what falls due at some time."""
        asked = Asked(load_policy(self.root / "policy.toml"), None, new_key(), None)
        return shred_logs(asked, clock_at(at_s), StopFlag(), lambda event: None).exit_code

    @property
    def state(self) -> Path:
        """The example's state folder."""
        (found,) = (self.var / "lib/shredder").iterdir()
        return found

    def tokens(self, folder: str) -> set[int]:
        """Return the numbers of the tokens that still stand in a folder's files."""
        texts = (path.read_text() for path in (self.var / folder).iterdir())
        return {int(number) for text in texts for number in _TOKEN.findall(text)}

    def find_on_device(self, tokens: Iterable[int], after: str = "?\n") -> list[int]:
        """Return those tokens that stand anywhere on the raw device, followed by some letters."""
        run("sync", "--file-system", self.root)
        run("blockdev", "--flushbufs", self.device.path)
        raw = self.device.backing.read_bytes()
        return [token for token in tokens if f"token-{token}{after}".encode() in raw]


@pytest.fixture
def stage(loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path]) -> Stage:
    # hundreds of runs, each with its own flushes: in memory where there is room
    device = loop_factory(64 << 20, backing_dir=_MEMORY if _MEMORY.is_dir() else None)
    stage = Stage(mounted(device.path, "ext4"), device)
    stage.var.mkdir(mode=0o755)
    return stage


def _append(path: Path, text: str, at_s: int) -> None:
    with path.open("a") as file:
        file.write(text)
    os.utime(path, (at_s, at_s))


def _requests(number: int, at_s: int) -> str:
    return "".join(combined_line(at_s + second, f"/token-{number}") for second in range(40))


def _steps(count: int, step_s: int = DAY_S) -> Iterator[tuple[int, int]]:
    return ((number, _BEGIN_S + number * step_s) for number in range(count))


def _check_summaries(stage: Stage, name: str) -> int:
    """Look into the summaries; returns how many requests they count together."""
    found = sorted(stage.state.glob(f"{name}-*.json"))
    assert not any(holds_full_address(path) for path in found)
    assert not any(ADDRESS in path.read_text() for path in found)
    reports: list[dict[str, Any]] = [json.loads(path.read_text()) for path in found]
    return sum(report["general"]["valid_requests"] for report in reports)


@pytest.mark.parametrize("name", _NAMES)
def test_every_example_passes_the_check(
    name: str, shredder: Shredder, tmp_path: Path, undo: ExitStack
) -> None:
    if "goaccess" in (_EXAMPLES / f"{name}.toml").read_text() and not shutil.which("goaccess"):
        pytest.skip("goaccess is not installed")
    copy = tmp_path / f"{name}.toml"
    copy.write_text((_EXAMPLES / f"{name}.toml").read_text())
    told = shredder("logs", "check", copy)
    assert "LONGEST LIFE" in told.stdout


def test_no_other_example_ships() -> None:
    assert sorted(path.name for path in _EXAMPLES.iterdir()) == [f"{name}.toml" for name in _NAMES]


@_needs_goaccess
def test_an_edge_web_server(stage: Stage) -> None:
    """Records stay for a week, are summarised, and are gone after ten days, but for days of an attack."""
    said = stage.root / "said"
    # as nginx opens them: what is there stays as it is
    fresh = f": >> {stage.var}/log/nginx/access.log; : >> {stage.var}/log/nginx/error.log"
    stop = stage.script("stop", f"echo stop >> {said}")
    start = stage.script("start", f"{fresh}; echo start >> {said}")
    commands = f'how = "stop-start", stop = ["{stop}"], start = ["{start}"]'
    stage.play("edge-web-server", nginx=commands)
    logs, bans = stage.var / "log/nginx", stage.var / "lib/edge/bans"
    seen = stage.var / "lib/attack-watch/seen"
    seen.parent.mkdir(parents=True)
    attack = range(13, 16)
    for day, at_s in _steps(20):
        _append(logs / "access.log", _requests(day, at_s), at_s + DAY_S - 60)
        _append(logs / "error.log", f"2026/11/01 00:00:00 [error] token-{day}?\n", at_s + DAY_S - 60)
        _append(bans / f"day-{day}", f"token-{day}?\n", at_s + DAY_S // 2)
        if day in attack:
            seen.touch()
        else:
            seen.unlink(missing_ok=True)
        code = stage.run(at_s + DAY_S + _QUARTER_S)
        assert code is (ExitCode.HELD if day in attack else ExitCode.DONE), day
        assert {*range(max(0, day - 6), day + 1)} <= stage.tokens("log/nginx")
        if day not in attack:
            assert min(stage.tokens("log/nginx")) > day - 10
        assert stage.tokens("lib/edge/bans") == {day, max(0, day - 1)}
        assert said.read_text().split()[-1] == "start"
    calls = said.read_text().split()
    assert calls[::2] == ["stop"] * (len(calls) // 2)
    assert calls[1::2] == ["start"] * (len(calls) // 2)
    gone = set(range(20)) - stage.tokens("log/nginx")
    assert len(gone) >= 10
    assert _check_summaries(stage, "web") == 40 * len(gone)
    assert stage.find_on_device(gone, _IN_RECORD) == []
    assert stage.find_on_device(range(19), _IN_RECORD) != []


def test_an_update_mirror(stage: Stage) -> None:
    """The last two complete months can be computed again on every day; after 94 days a record is gone."""
    stage.play("update-mirror")
    logs = stage.var / "log/mirror"
    days = 250
    for day, at_s in _steps(days):
        date = datetime.fromtimestamp(at_s, UTC)
        if date.day == 1 and day:
            (logs / "access.log").rename(logs / f"access.log-{date:%Y%m%d}")
        _append(logs / "access.log", combined_line(at_s, f"/token-{day}"), at_s + DAY_S - 60)
        _append(logs / "rsyncd.log", f"{date:%Y/%m/%d %H:%M:%S} [1] token-{day}?\n", at_s + DAY_S - 60)
        if day % 6:
            continue
        assert stage.run(at_s + DAY_S + _HOUR_S) is ExitCode.DONE
        tokens = {
            _number(line) for path in logs.glob("access.log*") for line in path.read_text().splitlines()
        }
        last_month = date.replace(day=1) - timedelta(days=1)
        first = (last_month.replace(day=1) - timedelta(days=1)).replace(day=1)
        begin = max(0, int((first.timestamp() - _BEGIN_S) // DAY_S))
        assert set(range(begin, day + 1)) <= tokens
        assert min(tokens) >= day - 100
        tokens = {
            _number(line) for path in logs.glob("rsyncd.log*") for line in path.read_text().splitlines()
        }
        assert set(range(max(0, day - 6), day + 1)) <= tokens
        assert min(tokens) >= day - 21
    assert stage.find_on_device(range(days - 132), _IN_RECORD) == []
    assert stage.find_on_device(range(days - 132)) == []


def _number(line: str) -> int:
    found = _TOKEN.search(line)
    assert found
    return int(found[1])


@_needs_goaccess
def test_a_proxy_operator(stage: Stage) -> None:
    """Mail logs live less than a week, statistics 60 days, the bucket's logs until they are summed up."""
    stage.play("proxy-operator", rsyslog=f'how = "command: touch {stage.var}/log/mail.log"')
    bucket, done = stage.var / "spool/bucket-logs", stage.var / "spool/mail-responder/done"
    statistics = stage.var / "lib/proxy/statistics"
    for step, at_s in _steps(8 * 4, 6 * _HOUR_S):
        _append(stage.var / "log/mail.log", f"{_syslog(at_s)} host postfix: token-{step}?\n", at_s)
        _append(bucket / f"log-{step}", _bucket_line(at_s, 9000 + step), at_s)
        _append(done / f"mail-{step}", f"token-{7000 + step}?\n", at_s)
        assert stage.run(at_s + 300) is ExitCode.DONE
        assert list(bucket.iterdir()) == list(done.iterdir()) == []
        tokens = _tokens_of(stage.var / "log", "mail.log*")
        assert set(range(max(0, step - 5 * 4 + 1), step + 1)) <= tokens
        assert min(tokens) > step - 7 * 4
    assert _check_summaries(stage, "bucket") == 32
    assert stage.find_on_device((*range(4), *range(7000, 7032))) == []
    assert stage.find_on_device(range(9000, 9032), "?x=1 HTTP") == []
    for day, at_s in _steps(78):
        if day < 8:  # those have passed
            continue
        _append(statistics / f"day-{day}.csv", f"hits;token-{500 + day}?\n", at_s + DAY_S - 1)
        if day % 5 == 2:
            assert stage.run(at_s + DAY_S) is ExitCode.DONE
    left = {token - 500 for token in stage.tokens("lib/proxy/statistics")}
    assert left == set(range(18, 78))


def _tokens_of(folder: Path, pattern: str) -> set[int]:
    return {int(number) for path in folder.glob(pattern) for number in _TOKEN.findall(path.read_text())}


def _syslog(at_s: int) -> str:
    return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _bucket_line(at_s: int, number: int) -> str:
    when = datetime.fromtimestamp(at_s, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    path = f"/token-{number}?x=1"
    return (
        f'owner bucket [{when}] {ADDRESS} requester 3E57427F3E REST.GET.OBJECT key "GET {path} HTTP/1.1" '
        f'200 - 113 113 7 6 "-" "agent/1.0" -\n'
    )


def test_a_web_application(stage: Stage) -> None:
    """Uploads are gone after four hours, rotated backups after three weeks; the newest backup stays."""
    stage.play("web-application")
    uploads, backups = stage.var / "lib/webapp/tmp", stage.var / "backups/webapp"
    for step, at_s in _steps(20, _HOUR_S // 2):
        _append(uploads / f"upload {step}.jpg", f"token-{step}?\n", at_s)
        assert stage.run(at_s + 60) is ExitCode.DONE
        assert stage.tokens("lib/webapp/tmp") == set(range(max(0, step - 7), step + 1))
    for day, at_s in _steps(25):
        for number in range(day, 0, -1):
            newer = backups / ("database.sql" if number == 1 else f"database.sql.{number - 1}")
            if newer.exists():
                newer.rename(backups / f"database.sql.{number}")
        _append(backups / "database.sql", f"token-{100 + day}?\n", at_s)
        assert stage.run(at_s + 60) is ExitCode.DONE
        assert stage.tokens("backups/webapp") == {100 + number for number in range(max(0, day - 20), day + 1)}
    assert stage.find_on_device((*range(12), *range(100, 104))) == []
