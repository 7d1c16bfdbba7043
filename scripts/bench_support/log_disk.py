"""A disk of logs: an ext4 on a loop device, made anew for each run, with files that fell due."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench_support.system import BenchError, Target, run

_AGE_S = 9 * 86_400
NOT_KEPT, KEPT_LONG_ENOUGH, KEPT_LONGER = "0 s", "7 days", "30 days"
_PATIENCE_S = 10
_MKFS = ("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0")  # nothing goes on later
_STATE_DISK = Path("/var/tmp")  # noqa: S108  a disk, as below a user's state folder; we make a folder of our own


@dataclass(frozen=True, slots=True)
class Load:
    """So many logs of one size."""

    name: str
    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Logs:
    """Where they lie, and where a policy and its state may."""

    folder: Path
    home: Path

    def write_policy(self, verify: str, keep: str) -> Path:
        """Write a policy by which all of them are due, or none of them; returns its path.

        What is kept for no time is a spool: nobody asks how old its records are.
        """
        kind, more = ("spool", "") if keep == NOT_KEPT else ("logs", 'rotate = "never"\n')
        path = self.home / f"{verify}.toml"
        path.write_text(
            f'[run]\nstate = "{self.home}/state"\n'
            f'[[{kind}]]\nname = "bench"\npaths = ["{self.folder}/*.log*"]\n'
            f'keep = "{keep}"\nverify = "{verify}"\n{more}'
        )
        return path

    @property
    def evidence(self) -> Path:
        """The evidence of the one run that there was."""
        (path,) = self.home.glob("state/runs/*/evidence.jsonl")
        return path

    @property
    def left(self) -> int:
        """How many files are still there, under whatever name."""
        return sum(1 for _ in self.folder.iterdir())


@contextmanager
def logs_on(device: Target, load: Load) -> Iterator[Logs]:
    """Make a file system with the logs; nothing of it is in memory or still to be written."""
    with TemporaryDirectory(prefix="shredder-bench-logs-", dir=_STATE_DISK) as name:
        home = Path(name)
        point = home / "disk"
        point.mkdir()
        run([*_MKFS, device.path])
        with _mounted(device, point):
            (point / "logs").mkdir(mode=0o755)
            _write(point / "logs", load)
        with _mounted(device, point):
            os.sync()
            yield Logs(point / "logs", home)


@contextmanager
def _mounted(device: Target, point: Path) -> Iterator[None]:
    run(["mount", device.path, point])
    try:
        yield
    finally:
        _unmount(point)


def _unmount(point: Path) -> None:
    """Whoever was killed a moment ago may still have files open."""
    until_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            run(["umount", point])
            return
        except BenchError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.1)


def _write(folder: Path, load: Load) -> None:
    written_s = time.time() - _AGE_S
    at = datetime.fromtimestamp(written_s, UTC).strftime("%d/%b/%Y:%H:%M:%S %z")
    line = f'192.0.2.1 - - [{at}] "GET /index.html HTTP/1.1" 200 612 "-" "bench"\n'.encode()
    block = (line * (1 + (1 << 20) // len(line)))[: min(load.size_bytes, 1 << 20)]
    for number in range(load.count):
        path = folder / f"client-{number:06}.log.1"
        with path.open("wb") as file:
            for _ in range(load.size_bytes // len(block)):
                file.write(block)
        os.utime(path, (written_s, written_s))
