"""Kills at random moments: no file is lost, none stays half-named, and the next run finishes."""

import os
import random
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import on_device
from tests.support.log_runs import ADDRESS, DAY_S, LogsRun, Place, make_place, shred_by_command

MIB = 1 << 20
_FILES = 40
_BYTES = 20_000
_KILLS_A_FILE_SYSTEM = 10


@pytest.fixture
def disk(loop_factory: Callable[..., LoopDevice]) -> LoopDevice:
    return loop_factory(64 * MIB)


@pytest.fixture
def place(disk: LoopDevice, mounted: Callable[..., Path]) -> Place:
    place = make_place(mounted(disk.path, "ext4"))
    place.write_script(
        "summary", f'echo "$#" > $1; shift; for f; do echo "$f" >> {place.root}/summarised; done'
    )
    place.write_script("service", f"echo $1 >> {place.root}/told")
    place.write_policy(f"""
        [[logs]]
        name = "web"
        paths = ["{place.logs}/*.log*"]
        keep = "7 days"
        rotate = "1 day"
        summarise = ["{place.root}/summary", "{{state}}/{{name}}.json", "{{file}}"]
        [logs.release]
        how = "stop-start"
        stop = ["{place.root}/service", "stop"]
        start = ["{place.root}/service", "start"]
        [[spool]]
        name = "mail"
        paths = ["{place.logs}/spool/*"]
        keep = "0 s"
    """)
    (place.logs / "spool").mkdir()
    return place


def fill(place: Place, salt: int) -> tuple[set[str], dict[str, bytes]]:
    """Write due and other files; returns the names of the due ones, and the others with their content."""
    line = f"{ADDRESS} - - secret {salt}\n".encode()
    old_s = time.time() - 9 * DAY_S
    due, others = set(), {}
    for number in range(_FILES):
        path = place.logs / f"app-{salt}-{number}.log.3"
        path.write_bytes((line * (_BYTES // len(line) + 1))[: _BYTES + number * 997])
        os.utime(path, (old_s, old_s))
        due.add(path.name)
    for number in range(_FILES // 4):
        path = place.logs / f"app-{salt}-{number}.log.1"
        path.write_bytes(f"young {salt} {number}\n".encode() * 50)
        others[path.name] = path.read_bytes()
        mail = place.logs / "spool" / f"mail-{salt}-{number}"
        mail.write_bytes(line * 10)
        due.add(mail.name)
    live = place.logs / f"live-{salt}.log"
    live.write_bytes(line * 10)
    os.utime(live, (old_s, old_s))
    due.add(live.name)
    os.sync()
    return due, others


def accounted(runs: list[LogsRun]) -> set[str]:
    """Return the names that the evidence of these runs says are gone."""
    found = set()
    for run in runs:
        for event in run.events("files-shredded"):
            gone = [file for file in event["files"] if file["state"] == "unlinked"]
            found |= {Path(file["path"]).name for file in gone}
        for event in run.events("leftovers-found"):
            found |= {Path(path).name for path in event["gone"]}
    # a live file is shredded under its new name by the run after
    return found | {name.rpartition(".log-")[0] + ".log" for name in found if ".log-" in name}


def names_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
@pytest.mark.parametrize("round_number", range(20))
def test_two_hundred_kills(round_number: int, place: Place, disk: LoopDevice, shredder: Shredder) -> None:
    dice = random.Random(round_number)
    for kill in range(_KILLS_A_FILE_SYSTEM):
        check_one_kill(place, shredder, dice, round_number * 1000 + kill)
    assert on_device(disk, ADDRESS.encode()) == []


def test_a_few_kills(place: Place, disk: LoopDevice, shredder: Shredder) -> None:
    dice = random.Random(7)
    for kill in range(3):
        check_one_kill(place, shredder, dice, kill)
    assert on_device(disk, ADDRESS.encode()) == []


def check_one_kill(place: Place, shredder: Shredder, dice: random.Random, salt: int) -> None:
    due, others = fill(place, salt)
    before = len(place.runs)
    process = shredder.start("logs", "shred", place.policy)
    # from the interpreter's start to a little after the usual end
    time.sleep(dice.uniform(0.1, 0.8))
    process.send_signal(signal.SIGKILL)
    process.wait()
    # every name is an old one, a rotated one, or on the list of what is not finished
    unknown = names_below(place.logs) - due - set(others)
    listed = (place.state / "unfinished").read_text() if (place.state / "unfinished").exists() else ""
    assert all(name in listed or ".log-2" in name for name in unknown)
    finished = shred_by_command(shredder, place)
    assert names_below(place.logs) == set(others)
    assert {name: (place.logs / name).read_bytes() for name in others} == others
    runs = place.runs[before:]
    assert due - accounted(runs) == set()
    assert (place.state / "unfinished").read_text() == ""
    killed = [run for run in runs if run.folder != finished.folder]
    assert not list((place.state / "runs").glob("*/.reserved"))
    for run in killed:
        shredder("certificate", "verify", run.folder / "certificate.json", "--integrity-only", expect=None)
    told = (place.root / "told").read_text().split() if (place.root / "told").exists() else []
    # killed just before or after a start, it is started once more; it is never left stopped
    assert told[-1:] != ["stop"]
    assert ("stop", "stop") not in set(pairwise(told))
    for name in others:
        (place.logs / name).unlink()
