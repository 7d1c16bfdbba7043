"""The peak memory of a command with all processes that it starts."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from bench_support.system import BenchError

_SAMPLE_EVERY_S = 0.01


def peak_memory_bytes(words: Sequence[str | Path]) -> int:
    """Run a command to its end; returns the peak of its memory.

    That is the greater of what the kernel noted for its largest process (exact), and of the sum of all of
    them, in which shared pages count once (looked at a hundred times a second).

    Raises:
        BenchError: it failed.
    """
    command = [str(word) for word in words]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    peak_bytes, ended = 0, 0
    try:
        while not ended:
            peak_bytes = max(peak_bytes, sum(_pss_bytes(pid) for pid in _family(process.pid)))
            time.sleep(_SAMPLE_EVERY_S)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    except BaseException:
        process.kill()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise BenchError(f"{' '.join(command)} exited {process.returncode}")
    return max(peak_bytes, usage.ru_maxrss * 1024)


def _family(parent: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            children.setdefault(_parent_of(int(entry.name)), []).append(int(entry.name))
    found = [parent]
    for pid in found:  # it grows while it is walked
        found += children.get(pid, [])
    return found


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0  # it has ended
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
