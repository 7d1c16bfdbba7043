"""Runs shredder as its users do, and reads what its evidence says of the time."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench_support.memory import peak_memory_bytes
from bench_support.system import BenchError, Target, run, wall_s

_SHREDDER = str(Path(sys.executable).with_name("shredder"))


class Evidence:
    """The entries of one run."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "evidence.jsonl").read_text(encoding="utf-8").splitlines()
        self._entries: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def pass_rates(self) -> list[float]:
        """Bytes a second of each pass, flush included, in order."""
        return [_written(data) / (data["elapsed_ms"] / 1000) for data in self._data("pass-ended")]

    def verify_rate(self) -> float:
        """Bytes a second of the reading back."""
        (data,) = self._data("verify-ended")
        return float(data["checked_bytes"] / (data["elapsed_ms"] / 1000))

    def overall_rate(self) -> float:
        """Bytes a second of all devices together, from the first that began until the last that ended."""
        begun = min(_at(entry) for entry in self._named("pass-started"))
        ended = max(_at(entry) for entry in self._named("pass-ended"))
        return sum(_written(data) for data in self._data("pass-ended")) / (ended - begun).total_seconds()

    def _named(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self._entries if entry["event"] == event]

    def _data(self, event: str) -> list[dict[str, Any]]:
        return [entry["data"] for entry in self._named(event)]


def _written(data: dict[str, Any]) -> int:
    return sum(int(item["length_bytes"]) for item in data["written"])


def _at(entry: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(entry["at"])


def named_target(path: str, confirmed: str | None) -> Target:
    """Return the device that the user named, once shredder would wipe it and the user meant it.

    Raises:
        BenchError: shredder refuses it, or the digest of that plan was not given.
    """
    plan = _plan((path,), _options("random", "none", ()))
    if confirmed != plan["digest"]:
        raise BenchError(
            f"everything on {path} will be overwritten; if that is meant, add --confirm {plan['digest']}"
        )
    (step,) = plan["steps"]
    return Target(step["path"], step["identity"]["size_bytes"], own=False)


def wipe(targets: tuple[Target, ...], method: str, verify: str) -> Evidence:
    """Wipe the devices in one run; returns what its evidence says."""
    with _prepared(targets, method, verify) as (words, folder):
        run(words)
        return Evidence(folder)


def memory_of_wipe_bytes(targets: tuple[Target, ...]) -> int:
    """Return the peak memory of the command with its workers, pass and verification."""
    with _prepared(targets, "random", "full") as (words, _):
        return peak_memory_bytes(words)


def start_up_s() -> float:
    """Return the seconds that `shredder --version` takes as a whole process."""
    return wall_s([_SHREDDER, "--version"])


def bare_start_up_s() -> float:
    """Return the seconds that importing click alone takes as a whole process."""
    return wall_s([sys.executable, "-c", "import click"])


@contextmanager
def _prepared(targets: tuple[Target, ...], method: str, verify: str) -> Iterator[tuple[list[str], Path]]:
    options = _options(method, verify, targets)
    paths = tuple(target.path for target in targets)
    digest = _plan(paths, options)["digest"]
    with TemporaryDirectory(prefix="shredder-bench-run-") as name:
        folder = Path(name) / "run"
        yield [_SHREDDER, "wipe", *paths, *options, "--confirm", digest, "--output", str(folder)], folder


def _options(method: str, verify: str, targets: tuple[Target, ...]) -> list[str]:
    lifted = ["--allow", "unseen"] if targets and all(_only_unseen(target) for target in targets) else []
    return ["--method", method, "--verify", verify, *lifted]


def _only_unseen(target: Target) -> bool:
    """A device made here a moment ago is nobody else's, even if some process lets nobody look at it."""
    if not target.own:
        return False
    devices = json.loads(run([_SHREDDER, "devices", "--json"]))["devices"]
    (refusals,) = [device["refusals"] for device in devices if device["path"] == target.path]
    return [refusal["kind"] for refusal in refusals] == ["unseen"]


def _plan(paths: tuple[str, ...], options: list[str]) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads(run([_SHREDDER, "plan", *paths, *options, "--json"]))
    return plan
