"""What a killed run left, and what happened since: unmounted, renamed, replaced, never written to."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.discover.placement import Places
from shredder.erase.keystream import RandomSource
from shredder.erase.leftovers import Leftovers, drop_untouched, find_leftovers
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Unfinished, read_unfinished
from shredder.log_model import FileState, Grade
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import (
    MARKER,
    MakeLoop,
    Mount,
    finish,
    job_for,
    shred,
    write_log,
)
from tests.support.log_runs import Place, make_place, shred_by_command
from tests.support.machine import run

MIB = 1 << 20
POLICY = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
"""


class KilledError(Exception):
    """Ends a run as a kill does: nothing is tidied up."""


class DiesAfterWriting(Places):
    """Ends the run between the last write and the reading back."""

    _looks = 0

    def refresh(self) -> None:
        self._looks += 1
        if self._looks == 2:
            raise KilledError
        super().refresh()


class DiesBeforeWriting(RandomSource):
    """Ends the run when its files are on the list, and none was written to."""

    def fill(self, start_bytes: int, length_bytes: int, scratch: memoryview) -> memoryview:
        raise KilledError


@pytest.fixture
def disk(loop_factory: MakeLoop) -> LoopDevice:
    return loop_factory(64 * MIB)


@pytest.fixture
def point(disk: LoopDevice, mounted: Mount) -> Path:
    return mounted(disk.path, "ext4")


@pytest.fixture
def no_births(disk: LoopDevice, mounted: Mount) -> Path:
    """An ext4 whose inodes have no room for a time of birth."""
    run("mkfs.ext4", "-q", "-I", "128", disk.path)
    return mounted(disk.path)


def begin(log: Path, state: Path) -> None:
    """Let a run be killed when it has overwritten a file, which has its old name still."""
    with pytest.raises(KilledError):
        shred([job_for(log)], state, eyes=DiesAfterWriting())
    assert MARKER[:24] not in log.read_bytes()


def list_only(log: Path, state: Path) -> None:
    """Let a run be killed when it has put a file on its list."""
    os.utime(log, (1_700_000_000, 1_700_000_000))
    with pytest.raises(KilledError):
        shred([job_for(log)], state, sources=(DiesBeforeWriting(bytes(16)),))
    assert b"hunter2" in log.read_bytes()


def look(state: Path) -> Leftovers:
    with closing(Unfinished(state / "unfinished")) as unfinished:
        return find_leftovers(unfinished)


def test_nothing_is_gone_while_its_file_system_is_not_mounted(
    point: Path, disk: LoopDevice, mounted: Mount, tmp_path: Path
) -> None:
    log = write_log(point / "log", 5000)
    begin(log, tmp_path)
    run("umount", point)
    for _ in range(2):
        found = look(tmp_path)
        assert (found.jobs, found.gone) == ((), ())
        assert found.lost == ((str(log), "it is not there; its file system may not be mounted"),)
    run("mount", disk.path, point)
    (outcome,) = finish(tmp_path)
    assert (outcome.state, outcome.grade) == (FileState.UNLINKED, Grade.PROVEN)


def test_what_is_gone_from_its_file_system_is_gone(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)
    begin(log, tmp_path)
    log.unlink()
    assert look(tmp_path) == Leftovers((), (str(log),), ())
    assert look(tmp_path) == Leftovers((), (), ())


def test_a_leftover_that_was_renamed_since_is_found(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log.1", 5000)
    begin(log, tmp_path)
    second = log.rename(point / "log.2")
    young = write_log(log, 5000)
    (outcome,) = finish(tmp_path)
    assert (outcome.path, outcome.state) == (str(second), FileState.UNLINKED)
    assert not second.exists()
    assert young.read_bytes().startswith(MARKER)


def test_a_later_file_with_the_same_inode_is_left_alone(no_births: Path, tmp_path: Path) -> None:
    log = write_log(no_births / "access.log", 5000)
    inode = log.stat().st_ino
    begin(log, tmp_path)
    log.unlink()
    later = write_log(log, 5000)
    assert later.stat().st_ino == inode
    for _ in range(2):
        found = look(tmp_path)
        ((path, why),) = found.lost
        assert (found.jobs, found.gone, path) == ((), (), str(log))
        assert "cannot be told from a later file" in why
    assert later.read_bytes().startswith(MARKER)


def test_under_its_new_name_it_is_ours_without_a_birth_too(no_births: Path, tmp_path: Path) -> None:
    log = write_log(no_births / "access.log", 5000)
    begin(log, tmp_path)
    (entry,) = read_unfinished(tmp_path / "unfinished")
    log.rename(no_births / entry.new_name)
    (outcome,) = finish(tmp_path)
    assert (outcome.path, outcome.state) == (str(log), FileState.UNLINKED)
    assert list(no_births.glob("*[!d]")) == []


@pytest.mark.parametrize("name", ["log.1", "log.2"])
def test_what_was_only_listed_is_the_policys_to_judge(name: str, point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log.1", 5000)
    list_only(log, tmp_path)
    log = log.rename(point / name)
    listed = read_unfinished(tmp_path / "unfinished")
    assert (len(listed), drop_untouched(listed)) == (1, ())
    assert look(tmp_path) == Leftovers((), (), ())
    assert (tmp_path / "unfinished").read_bytes() == b""
    assert log.read_bytes().startswith(MARKER)


def test_a_file_changed_just_now_is_never_taken_for_untouched(point: Path, tmp_path: Path) -> None:
    """The clock of a file system may not have moved on between its last line and our first write."""
    log = write_log(point / "log", 5000)
    with pytest.raises(KilledError):
        shred([job_for(log)], tmp_path, sources=(DiesBeforeWriting(bytes(16)),))
    assert len(look(tmp_path).jobs) == 1


class LateStop(StopFlag):
    """Is set when it is asked for the second time: after the file was put on the list."""

    _times_asked = 0

    def is_set(self) -> bool:
        self._times_asked += 1
        return self._times_asked > 1


def test_a_leftover_that_the_next_run_does_not_come_to_stays_listed(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)
    begin(log, tmp_path)
    (outcome,) = shred(look(tmp_path).jobs, tmp_path, stop=LateStop())
    assert (outcome.state, outcome.problem) == (FileState.UNTOUCHED, "stopped")
    (again,) = finish(tmp_path)
    assert again.state is FileState.UNLINKED


def test_a_file_that_has_a_short_random_name_by_right_keeps_it(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)
    begin(log, tmp_path)
    (entry,) = read_unfinished(tmp_path / "unfinished")
    log.unlink()
    foreign = write_log(point / entry.new_name, 100)
    assert look(tmp_path).gone == (str(log),)
    assert foreign.exists()
    assert not log.exists()


@pytest.fixture
def place(point: Path) -> Place:
    place = make_place(point)
    place.state.mkdir(mode=0o700)
    place.write_policy(POLICY)
    return place


def test_what_was_only_listed_is_kept_as_the_policy_says_now(place: Place, shredder: Shredder) -> None:
    log = place.write_log("access.log.1", 8)
    times = log.stat()
    list_only(log, place.state)
    os.utime(log, ns=(times.st_atime_ns, times.st_mtime_ns))
    (entry,) = read_unfinished(place.state / "unfinished")
    with closing(Unfinished(place.state / "unfinished")) as unfinished:
        unfinished.begin([replace(entry, mtime_ns=times.st_mtime_ns)])
    place.write_policy(POLICY.replace("7 days", "30 days"))
    shown = shredder("logs", "shred", place.policy, "--dry-run").stdout
    assert "an earlier run had begun" not in shown
    kept = shred_by_command(shredder, place)
    assert "leftovers-found" not in kept.order
    assert "hunter2" in log.read_text()
    place.write_policy(POLICY)
    assert shred_by_command(shredder, place).results()[log.name]["continued"] is False
    assert not log.exists()


def test_a_file_system_that_is_not_mounted_makes_the_run_incomplete(
    loop_factory: MakeLoop, mounted: Mount, place: Place, shredder: Shredder
) -> None:
    other = loop_factory(64 * MIB)
    logs = mounted(other.path, "ext4")
    log = write_log(logs / "access.log.1", 5000)
    place.write_policy(POLICY.replace("{logs}", str(logs)))
    begin(log, place.state)
    run("umount", logs)
    lost = shred_by_command(shredder, place, expect=4)
    (event,) = lost.events("leftovers-found")
    assert event["found"][0]["problem"] == "it is not there; its file system may not be mounted"
    assert event["gone"] == []
    run("mount", other.path, logs)
    assert shred_by_command(shredder, place).results()[log.name]["state"] == "unlinked"


def test_a_later_file_in_doubt_is_judged_by_the_policy(no_births: Path, shredder: Shredder) -> None:
    place = make_place(no_births)
    place.state.mkdir(mode=0o700)
    place.write_policy(POLICY)
    log = write_log(place.logs / "access.log.1", 5000)
    begin(log, place.state)
    run_one = shred_by_command(shredder, place, expect=4)
    assert "no times of birth" in run_one.events("leftovers-found")[0]["found"][0]["problem"]
    os.utime(log, (1_700_000_000, 1_700_000_000))
    shred_by_command(shredder, place, expect=4)
    assert not log.exists()
    assert (place.state / "unfinished").read_bytes() == b"", "shredded by that name, it is in doubt no more"
