"""Runs of `shredder logs shred` on a real file system: policy, state folder, and what the evidence says."""

import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shredder.certify.keys import new_key
from shredder.erase.transfer import StopFlag
from shredder.log_events import LogRecorded
from shredder.logs.clock import SYSTEM_CLOCK, Clock
from shredder.logs.job import Asked, LogsResult, shred_logs
from shredder.logs.load import load_policy
from tests.support.command import Shredder

DAY_S = 86_400
ADDRESS = "203.0.113.77"


@dataclass(frozen=True)
class Place:
    """A mounted file system with logs and a state folder on it."""

    root: Path

    @property
    def logs(self) -> Path:
        """Where the logs are."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.root / "state"

    @property
    def policy(self) -> Path:
        """The policy file."""
        return self.root / "policy.toml"

    def write_policy(self, rules: str, run: str = "") -> Path:
        """Write the policy; {logs} stands for the folder of logs, {root} for the one above."""
        text = f'[run]\nstate = "{self.state}"\n{run}\n' + textwrap.dedent(rules)
        self.policy.write_text(text.replace("{logs}", str(self.logs)).replace("{root}", str(self.root)))
        return self.policy

    def write_script(self, name: str, text: str) -> Path:
        """Write an executable shell script that only root can change."""
        path = self.root / name
        path.write_text("#!/bin/sh\n" + textwrap.dedent(text))
        path.chmod(0o755)
        return path

    def write_log(self, name: str, days_old: float, lines: int = 400, now_s: float | None = None) -> Path:
        """Write a log in the combined format whose records and last change are so old."""
        path = self.logs / name
        end_s = (now_s if now_s is not None else SYSTEM_CLOCK.now().timestamp()) - days_old * DAY_S
        with path.open("w") as file:
            for number in range(lines):
                file.write(combined_line(end_s - lines + number, f"/page-{number}"))
            file.flush()
            os.fsync(file.fileno())
        os.utime(path, (end_s, end_s))
        return path

    @property
    def runs(self) -> list["LogsRun"]:
        """The folders of all runs, the oldest first."""
        return [
            LogsRun(path)
            for path in sorted((self.state / "runs").glob("*"), key=lambda p: p.stat().st_mtime_ns)
        ]


def combined_line(at_s: float, path: str, address: str = ADDRESS) -> str:
    """Return a line as nginx and Apache write it."""
    when = datetime.fromtimestamp(at_s, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'{address} - alice [{when}] "GET {path}?token=hunter2 HTTP/1.1" 200 612 "-" "curl/7.88"\n'


def make_place(root: Path) -> Place:
    """Make the folders."""
    place = Place(root)
    place.logs.mkdir(mode=0o755)
    return place


@dataclass(frozen=True)
class LogsRun:
    """The folder of one run."""

    folder: Path

    @property
    def evidence(self) -> list[dict[str, Any]]:
        """The entries."""
        return [json.loads(line) for line in (self.folder / "evidence.jsonl").read_text().splitlines()]

    @property
    def order(self) -> list[str]:
        """The names of the events, in order."""
        return [entry["event"] for entry in self.evidence]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of one kind."""
        return [entry["data"] for entry in self.evidence if entry["event"] == name]

    def results(self) -> dict[str, dict[str, Any]]:
        """What became of each file, by its name."""
        files = (file for event in self.events("files-shredded") for file in event["files"])
        return {Path(file["path"]).name: file for file in files}


def shred_by_command(
    shredder: Shredder, place: Place, *words: str | Path, expect: int | None = 0, timeout_s: float = 60
) -> LogsRun:
    """Run the command, check the certificate that it wrote, and return the run."""
    done = shredder("logs", "shred", place.policy, *words, expect=expect, timeout_s=timeout_s)
    run = place.runs[-1]
    found = shredder(
        "certificate", "verify", run.folder / "certificate.json", "--integrity-only", expect=None
    )
    assert found.returncode == done.returncode, found.stdout + found.stderr + done.stderr
    return run


def clock_at(at_s: float) -> Clock:
    """Return a clock that always says the same time; it waits for real."""
    return replace(SYSTEM_CLOCK, now=lambda: datetime.fromtimestamp(at_s, UTC))


def shred_at(place: Place, at_s: float, events: list[LogRecorded] | None = None) -> LogsResult:
    """Run the job in this process at some time."""
    asked = Asked(load_policy(place.policy), None, new_key(), None)
    kept: list[LogRecorded] = [] if events is None else events
    return shred_logs(asked, clock_at(at_s), StopFlag(), kept.append)


def flatten(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from flatten(item)
    elif isinstance(value, list):
        for item in value:
            yield from flatten(item)
    elif isinstance(value, str):
        yield value
