"""Runs everything in turn, prints the table, writes the JSON."""

import argparse
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench_support.figures import figures, log_figures, markdown
from bench_support.logs import Measured, measure_logs
from bench_support.ours import bare_start_up_s, memory_of_wipe_bytes, named_target, start_up_s, wipe
from bench_support.peers import PEERS, Peer
from bench_support.system import MIB, BenchError, Target, cpu_name, loop_devices, tell, uses_direct

_START_UPS = 15
_AT_ONCE = (1, 2, 4)


def main() -> int:
    """Return the exit code."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the devices are taken away
    if os.geteuid() != 0:
        tell("error: only root can make loop devices and write to devices")
        return 1
    try:
        return _report(*(measure_logs(options.rounds) if options.logs else _measure(options)), options)
    except BenchError as error:
        tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each (default: 5)")
    parser.add_argument("--logs", action="store_true", help="measure the shredding of logs, not of disks")
    parser.add_argument("--size-mib", type=int, default=2048, help="size of the loop device (default: 2048)")
    parser.add_argument("--device", help="overwrite this block device instead of a loop device on tmpfs")
    parser.add_argument("--confirm", metavar="DIGEST", help="what --device asks for")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all values to FILE")
    options = parser.parse_args()
    if options.logs and options.device:
        parser.error("--device belongs to disks: --logs makes its own")
    return options


def _measure(options: argparse.Namespace) -> tuple[Measured, list[str]]:
    values: Measured = defaultdict(list)
    missing = [peer.name for peer in PEERS if not peer.is_installed]
    notes = [f"not installed, skipped: {', '.join(missing)} (--peers installs them)"] if missing else []
    with _device_under_test(options) as target:
        notes.insert(0, f"device under test: {target.size_bytes // MIB} MiB, {uses_direct(target)}")
        for _ in range(options.rounds):
            _alternate(values, target)
        slow = _measure_once(values, target)
        notes.append(f"measured once: {', '.join(slow)}")
    _measure_several(values, options.size_mib * MIB, options.rounds)
    for _ in range(_START_UPS):
        values["start-up"].append(start_up_s())
        values["import click"].append(bare_start_up_s())
    return values, notes


@contextmanager
def _device_under_test(options: argparse.Namespace) -> Iterator[Target]:
    if options.device:
        yield named_target(options.device, options.confirm)
        return
    with loop_devices(1, options.size_mib * MIB) as (target,):
        yield target


def _alternate(values: Measured, target: Target) -> None:
    """One run of each in turn, so that a busy moment of the machine hits all alike."""
    rows: dict[str, Callable[[], float]] = {
        peer.name: _bind(peer, target) for peer in PEERS if peer.is_installed and not peer.slow
    }
    rows["random"] = lambda: wipe((target,), "random", "none").pass_rates()[0]
    rows["zero"] = lambda: wipe((target,), "zero", "none").pass_rates()[0]
    rows["verify"] = lambda: wipe((target,), "random", "full").verify_rate()
    for name, measure in rows.items():
        _take(values, name, measure())


def _bind(peer: Peer, target: Target) -> Callable[[], float]:
    return lambda: peer.measure(target)


def _measure_once(values: Measured, target: Target) -> list[str]:
    """What takes long: the slow peers, and the 35 passes of Gutmann, whose median pass counts."""
    _take(values, "gutmann", median(wipe((target,), "gutmann", "none").pass_rates()))
    slow = [peer for peer in PEERS if peer.is_installed and peer.slow]
    for peer in slow:
        _take(values, peer.name, peer.measure(target))
    return ["gutmann (median of its passes)", *[peer.name for peer in slow]]


def _measure_several(values: Measured, size_bytes: int, rounds: int) -> None:
    with loop_devices(max(_AT_ONCE), size_bytes) as targets:
        for _ in range(rounds):
            for count in _AT_ONCE:
                rate = wipe(tuple(targets[:count]), "random", "none").overall_rate()
                _take(values, f"{count} device{'s' if count > 1 else ''}", rate)
        for count in (1, 4):
            values[f"memory of {count}"].append(memory_of_wipe_bytes(tuple(targets[:count])))


def _take(values: Measured, name: str, rate: float) -> None:
    tell(f"{name:<16} {rate / 1e9:6.2f} GB/s")
    values[name].append(rate)


def _report(values: Measured, notes: list[str], options: argparse.Namespace) -> int:
    lines = log_figures(values) if options.logs else figures(values)
    machine = f"{cpu_name()}, {os.cpu_count()} cores, Linux {os.uname().release}"
    print(f"\n{machine}; medians of {options.rounds} alternating runs\n")
    for note in notes:
        print(note)
    print(f"\n{markdown(lines)}")
    if options.json:
        record: dict[str, Any] = {
            "version": 1,
            "machine": machine,
            "rounds": options.rounds,
            "notes": notes,
            "values": values,
            "figures": [line.to_json() for line in lines],
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
