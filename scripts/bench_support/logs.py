"""Measures `shredder logs` as its users run it: the whole command, from its start to its end."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bench_support.log_disk import KEPT_LONG_ENOUGH, KEPT_LONGER, NOT_KEPT, Load, Logs, logs_on
from bench_support.memory import peak_memory_bytes
from bench_support.system import MIB, BenchError, Target, loop_devices, tell, uses_direct, wall_s

Measured = dict[str, list[float]]
_DISK_BYTES = 3072 * MIB
_SMALL = Load("small", 10_000, 4096)
_BIG = Load("big", 1, 2048 * MIB)
_MANY = Load("many", 100_000, 4096)
_SHRED = ("find {} -type f -print0 | xargs -0 shred -n1 -u", "shred -n1 -u {}/*")


def measure_logs(rounds: int) -> tuple[Measured, list[str]]:
    """Return all values, in seconds or bytes, and what is to be said of them.

    Args:
        rounds: alternating runs of each; memory is measured once.
    """
    values: Measured = defaultdict(list)
    with loop_devices(1, _DISK_BYTES) as (device,):
        note = f"ext4 on a {_DISK_BYTES // MIB} MiB {uses_direct(device)}, made anew for each run"
        for _ in range(rounds):
            for load, peer in zip((_SMALL, _BIG), _SHRED, strict=True):
                _alternate(values, device, load, peer)
        _measure_many(values, device, rounds)
    return values, [note, "state folder below /var/tmp; memory measured once"]


def _alternate(values: Measured, device: Target, load: Load, peer: str) -> None:
    """One run of each in turn, so that a busy moment of the machine hits all alike."""
    rows: dict[str, Callable[[Logs], float]] = {
        f"{load.name} shred": lambda logs: wall_s(["sh", "-c", peer.format(logs.folder)]),
        f"{load.name} verified": lambda logs: wall_s(_command(logs, "full", NOT_KEPT)),
        f"{load.name} unverified": lambda logs: wall_s(_command(logs, "none", NOT_KEPT)),
        f"{load.name} dated": lambda logs: wall_s(_command(logs, "full", KEPT_LONG_ENOUGH)),
    }
    for name, measure in rows.items():
        with logs_on(device, load) as logs:
            _take(values, name, measure(logs))
            if logs.left:
                raise BenchError(f"{name}: {logs.left} files are still there")
            if name.endswith(" verified"):
                _take(values, f"{load.name} engine", _engine_s(logs.evidence))


def _measure_many(values: Measured, device: Target, rounds: int) -> None:
    with logs_on(device, _MANY) as logs:
        for _ in range(rounds):
            _take(values, "none due", _dry_run_s(logs, KEPT_LONGER))
            _take(values, "all due", _dry_run_s(logs, KEPT_LONG_ENOUGH))
        peak_bytes = peak_memory_bytes(_command(logs, "full", KEPT_LONG_ENOUGH))
    tell(f"{'memory':<18} {peak_bytes / MIB:8.1f} MiB")
    values["memory"].append(peak_bytes)


def _command(logs: Logs, verify: str, keep: str) -> list[str | Path]:
    return [sys.executable, "-m", "shredder", "logs", "shred", logs.write_policy(verify, keep)]


def _dry_run_s(logs: Logs, keep: str) -> float:
    return wall_s(["sh", "-c", '"$@" --dry-run > /dev/null', "sh", *_command(logs, "full", keep)])


def _engine_s(evidence: Path) -> float:
    """Return the seconds from the last decision until the last file was gone, as the evidence has them."""
    at: dict[str, datetime] = {}
    with evidence.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            at[entry["event"]] = datetime.fromisoformat(entry["at"])
    return (at["files-shredded"] - at["files-decided"]).total_seconds()


def _take(values: Measured, name: str, taken_s: float) -> None:
    tell(f"{name:<18} {taken_s:8.2f} s")
    values[name].append(taken_s)
