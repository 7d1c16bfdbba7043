"""What is refused, what happens when files change in mid-run, and that kills lose nothing."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.discover.openers import find_openers
from shredder.discover.placement import Places
from shredder.erase.file_work import FileWork
from shredder.erase.lease import Lease
from shredder.erase.transfer import StopFlag
from shredder.errors import RefusedError
from shredder.log_model import After, Extent, FileState, Grade, Placement, RawRange
from tests.support.log_files import (
    MARKER,
    MakeLoop,
    Mount,
    exchange,
    finish,
    job_for,
    shred,
    write_log,
)
from tests.support.machine import run

MIB = 1 << 20


@pytest.fixture
def point(loop_factory: MakeLoop, mounted: Mount) -> Path:
    """An ext4 to work on."""
    return mounted(loop_factory(64 * MIB).path, "ext4")


def make_link(path: Path) -> None:
    target = write_log(path.with_name("target"), 100)
    path.symlink_to(target)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_link, "is a symbolic link"),
        (os.mkfifo, "is a FIFO"),
        (Path.mkdir, "is a directory"),
        (make_socket, "is a socket"),
        (lambda path: os.mknod(path, 0o20600, os.makedev(1, 3)), "is a character device"),
    ],
    ids=["link", "fifo", "folder", "socket", "device"],
)
def test_only_regular_files_are_taken(
    make: Callable[[Path], None], said: str, point: Path, tmp_path: Path
) -> None:
    log = point / "log"
    make(log)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.state, outcome.problem) == (FileState.UNTOUCHED, f"{log} {said}")
    assert os.path.lexists(log)
    if log.is_symlink():
        assert MARKER[:24] in log.read_bytes()


def test_a_file_with_more_names_is_refused_and_they_are_listed(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 100)
    (point / "deep").mkdir()
    other = point / "deep" / "other"
    other.hardlink_to(log)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.problem == f"{log} has 2 names: {other}, {log}"
    assert outcome.state is FileState.UNTOUCHED
    assert log.read_bytes().startswith(MARKER)


def test_a_file_of_elsewhere_that_is_mounted_on_a_log_is_left_alone(
    point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    (point / "logs").mkdir()
    log = write_log(point / "logs" / "log", 100)
    outside = write_log(point / "outside", 100)
    run("mount", "--bind", outside, log)
    undo.callback(run, "umount", log)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.state, outcome.problem) == (FileState.UNTOUCHED, f"{log} is a mount point")
    assert outside.read_bytes().startswith(MARKER)


@pytest.mark.parametrize(("flag", "said"), [("+i", "immutable"), ("+a", "append-only")])
def test_attributes_that_forbid_it(
    flag: str, said: str, point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    log = write_log(point / "log", 100)
    try:
        run("chattr", flag, log)
    except AssertionError:
        pytest.skip("no right to set attributes here")
    undo.callback(run, "chattr", flag.replace("+", "-"), log)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.state, outcome.problem) == (FileState.UNTOUCHED, f"{log} has the attribute {said}")


def test_a_read_only_file_system(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 100)
    run("mount", "-o", "remount,ro", point)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.problem == f"{log} lies on a file system that is read-only"
    assert outcome.state is FileState.UNTOUCHED


def test_another_file_than_was_planned(point: Path, tmp_path: Path) -> None:
    job = job_for(write_log(point / "log", 100))
    (point / "log").unlink()
    log = write_log(point / "log", 100)
    assert log.stat().st_ino == job.file.inode, "ext4 gives the number out again at once"
    (outcome,) = shred([job], tmp_path)
    assert outcome.problem == f"{log} is another file than before"
    assert log.read_bytes().startswith(MARKER)


def test_folders_are_not_left_through_links(point: Path, tmp_path: Path) -> None:
    (point / "real").mkdir()
    log = write_log(point / "real" / "log", 100)
    (point / "link").symlink_to("real")
    (point / "above").symlink_to(".")
    for folder in ("link", "above/real", "real/../real"):
        refused = replace(job_for(log), folder=f"{point}/{folder}")
        (outcome,) = shred([refused], tmp_path)
        assert outcome.state is FileState.UNTOUCHED
        assert outcome.problem is not None and "cannot be opened" in outcome.problem
    assert log.read_bytes().startswith(MARKER)


def test_a_folder_exchanged_for_a_link_leads_to_no_other_file(point: Path, tmp_path: Path) -> None:
    """Its owner exchanges it after a file was looked at, or before; and back again."""
    for name in ("logs", "foreign"):
        (point / name).mkdir()
    log, victim = write_log(point / "logs" / "log", 100), write_log(point / "foreign" / "log", 100)
    (point / "trap").symlink_to("foreign")
    before = job_for(log)
    exchange(point / "logs", point / "trap")
    led_astray = job_for(log)
    assert led_astray.file.inode == victim.stat().st_ino
    for job in (before, led_astray):
        (outcome,) = shred([job], tmp_path)
        assert outcome.problem == f"the folder of {log} cannot be opened (ENOTDIR: Not a directory)"
    exchange(point / "logs", point / "trap")
    (outcome,) = shred([led_astray], tmp_path)
    assert outcome.problem == f"{log} is another file than before"
    assert log.read_bytes() == victim.read_bytes() == (MARKER * 2)[:100]


HOLDING = {
    "descriptor": "kept = open(path, 'a')",
    "reader": "kept = open(path)",
    "deleted": "kept = open(path); os.rename(path, path + 'x'); os.unlink(path + 'x')",
    "mapping": "file = open(path, 'rb'); kept = mmap.mmap(file.fileno(), 64, prot=1); os.closerange(3, 99)",
}


@pytest.mark.parametrize("holding", HOLDING)
def test_who_has_it_open_is_found_and_it_is_kept(
    holding: str, point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    log = write_log(point / "log", 100)
    job = job_for(log)
    code = f"import mmap, os, sys; path = sys.argv[1]; {HOLDING[holding]}; print(flush=True); input()"
    words = [sys.executable, "-c", code, str(log)]
    process = undo.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    undo.callback(process.kill)
    assert process.stdout and process.stdout.readline()
    file = (job.file.device, job.file.inode)
    openers = find_openers([file])
    assert [item.pid for item in openers.of(file)] == [process.pid]
    assert openers.of((job.file.device, 1)) == ()
    if holding == "deleted":
        return
    (outcome,) = shred([job], tmp_path)
    assert outcome.problem == f"{log} is open in another process"
    assert outcome.state is FileState.UNTOUCHED
    process.kill()
    process.wait()
    assert find_openers([file]).of(file) == ()
    (outcome,) = shred([job], tmp_path)
    assert outcome.grade is Grade.PROVEN


def test_a_process_that_cannot_be_looked_at_is_a_doubt(point: Path) -> None:
    log = write_log(point / "log", 100)
    code = (
        "import os, sys\n"
        "from shredder.discover.openers import find_openers\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(find_openers([('0:0', 1)]).doubt)\n"
    )
    assert "could not be looked at" in run(sys.executable, "-c", code)
    assert log.exists()


def test_a_mapping_is_found_with_few_rights(point: Path, undo: ExitStack) -> None:
    """Without CAP_SYS_ADMIN the kernel does not tell where a mapping leads, so a fitting inode counts."""
    log = write_log(point / "log", 100)
    file = (job_for(log).file.device, log.stat().st_ino)
    holding = f"import mmap, os, sys; path = sys.argv[1]; {HOLDING['mapping']}; print(flush=True); input()"
    words = [sys.executable, "-c", holding, str(log)]
    process = undo.enter_context(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
    undo.callback(process.kill)
    assert process.stdout and process.stdout.readline()
    looking = f"from shredder.discover.openers import find_openers as f; print(f([{file}]).of({file})[0].pid)"
    lacking = "--bounding-set=-sys_admin,-checkpoint_restore"
    assert run("setpriv", lacking, "--", sys.executable, "-c", looking).strip() == str(process.pid)


def is_open_elsewhere(descriptor: int) -> bool:
    lease = Lease(descriptor)
    lease.give_back()
    return lease.is_refused


def test_whoever_opens_it_while_we_look_does_us_no_harm(point: Path) -> None:
    log = write_log(point / "log", 100)
    descriptor = os.open(log, os.O_RDWR)
    code = "import sys\nwhile True: open(sys.argv[1]).close()"
    other = subprocess.Popen([sys.executable, "-c", code, str(log)])
    seen = {is_open_elsewhere(descriptor) for _ in range(20_000)}
    other.kill()
    other.wait()
    assert is_open_elsewhere(descriptor) is False
    os.close(descriptor)
    assert False in seen


class Meddler(Places):
    """Does something to the files between the last write and the reading back."""

    def __init__(self, meddle: Callable[[], None]) -> None:
        super().__init__()
        self._meddle = meddle
        self._looks = 0

    def refresh(self) -> None:
        self._looks += 1
        if self._looks == 2:
            self._meddle()
        super().refresh()


def test_a_link_put_in_its_place_in_mid_run(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)
    target = write_log(point / "target", 5000)

    def swap() -> None:
        log.rename(point / "aside")
        log.symlink_to(target)

    (outcome,) = shred([job_for(log)], tmp_path, eyes=Meddler(swap))
    assert outcome.problem == f"{log} was replaced by another file in mid-run"
    assert outcome.state is FileState.DAMAGED
    assert target.read_bytes().startswith(MARKER)
    assert log.is_symlink()


class Opener:
    """Opens a file in a process of its own, which waits for as long as a lease keeps it out, and appends."""

    def __init__(self, log: Path, undo: ExitStack) -> None:
        code = "import sys; print(flush=True); open(sys.argv[1], 'ab').write(b'a late line')"
        self._words = [sys.executable, "-c", code, str(log)]
        self._undo = undo

    def open(self) -> None:
        process = self._undo.enter_context(subprocess.Popen(self._words, stdout=subprocess.PIPE))
        self._undo.callback(process.kill)
        assert process.stdout and process.stdout.readline()
        time.sleep(0.3)
        assert process.poll() is None, "it was not kept out"
        self.end = process.wait


class OpenedEarly(Places):
    """Somebody opens the file when it was opened for writing, and not one byte was written."""

    def __init__(self, opener: Opener, other: Path) -> None:
        super().__init__()
        self._opener = opener
        self._other = other.stat().st_ino

    def place(self, descriptor: int) -> Placement:
        if os.fstat(descriptor).st_ino == self._other:
            self._opener.open()
        return super().place(descriptor)


def test_a_line_that_comes_before_the_first_write_keeps_the_file_untouched(
    point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    log, other = write_log(point / "log", 5000), write_log(point / "other", 5000)
    opener = Opener(log, undo)
    kept, gone = shred([job_for(log), job_for(other)], tmp_path, eyes=OpenedEarly(opener, other))
    assert opener.end(5) == 0
    assert kept.problem == f"{log} was opened by somebody else while it was shredded"
    assert (kept.state, kept.grade) == (FileState.UNTOUCHED, None)
    assert gone.state is FileState.UNLINKED
    assert (log.read_bytes()[:52], log.read_bytes()[5000:]) == (MARKER, b"a late line")
    assert finish(tmp_path) == []


@pytest.mark.parametrize("after", list(After))
def test_a_line_written_in_mid_run_keeps_the_file(
    after: After, point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    log = write_log(point / "log", 5000)
    opener = Opener(log, undo)
    (outcome,) = shred([job_for(log, after=after)], tmp_path, eyes=Meddler(opener.open))
    assert opener.end(5) == 0
    assert outcome.problem == f"{log} was opened by somebody else while it was shredded"
    assert outcome.state is FileState.DAMAGED
    assert log.read_bytes().endswith(b"a late line")
    (again,) = finish(tmp_path)
    assert (again.path, again.problem, again.grade) == (str(log), None, Grade.PROVEN)


def test_a_line_written_before_the_unlink_keeps_the_file(
    point: Path, tmp_path: Path, undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_log(point / "log", 5000)
    opener = Opener(log, undo)
    release_name = FileWork.release_name

    def open_and_release(work: FileWork) -> None:
        check_alone = work.pinned.check_alone

        def check_and_open() -> None:
            check_alone()
            opener.open()

        with monkeypatch.context() as patch:  # he comes right after the look
            patch.setattr(work.pinned, "check_alone", check_and_open)
            release_name(work)

    monkeypatch.setattr(FileWork, "release_name", open_and_release)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert opener.end(5) == 0
    assert outcome.problem == f"{log} was opened by somebody else while it was shredded"
    assert outcome.state is FileState.DAMAGED
    monkeypatch.undo()
    (renamed,) = (path for path in point.iterdir() if path.name != "lost+found")
    assert renamed.read_bytes().endswith(b"a late line")
    (again,) = finish(tmp_path)
    assert (again.path, again.state) == (str(log), FileState.UNLINKED)


def test_another_name_made_in_mid_run_keeps_the_file(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)
    other = point / "other"
    (outcome,) = shred([job_for(log)], tmp_path, eyes=Meddler(lambda: other.hardlink_to(log)))
    assert outcome.problem == f"{log} got another name meanwhile"
    assert outcome.state is FileState.DAMAGED
    assert log.samefile(other)
    (again,) = finish(tmp_path)
    assert again.problem == f"{log} has 2 names: {log}, {other}"
    other.unlink()
    (again,) = finish(tmp_path)
    assert (again.state, again.grade) == (FileState.UNLINKED, Grade.PROVEN)


def test_bytes_that_do_not_stand_there_are_a_mismatch(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 9000)
    descriptor = os.open(log, os.O_RDONLY)
    (place,) = Places().place(descriptor).old
    os.close(descriptor)

    def change() -> None:
        with open(place.device, "r+b") as device:
            device.seek(place.start_bytes + 4500)
            device.write(b"!")
            device.flush()
            os.fsync(device.fileno())

    (outcome,) = shred([job_for(log)], tmp_path, eyes=Meddler(change))
    assert outcome.grade is not Grade.PROVEN
    assert outcome.state is FileState.DAMAGED
    assert [item.start_bytes <= 4500 < item.end_bytes for item in outcome.mismatches] == [True]
    assert log.exists()


class Liar(Places):
    """Maps files to where they do not lie."""

    def place(self, descriptor: int) -> Placement:
        found = super().place(descriptor)
        assert isinstance(found.raw, tuple)
        raw = tuple(
            RawRange(item.device, item.start_bytes + 8 * MIB, item.length_bytes, item.file_bytes, 0)
            for item in found.raw
        )
        return replace(found, raw=raw)


class Mover(Places):
    """Says the second time that the file lies elsewhere."""

    looks = 0

    def place(self, descriptor: int) -> Placement:
        self.looks += 1
        found = super().place(descriptor)
        moved = tuple(
            Extent(item.file_bytes, item.physical_bytes + 4096 * self.looks, item.length_bytes, item.marks)
            for item in found.extents
        )
        return replace(found, extents=moved)

    def place_again(self, descriptor: int, before: Placement) -> Placement:
        return self.place(descriptor)


@pytest.mark.parametrize("size", [9000, 6 * MIB])
def test_a_map_that_lies_proves_nothing(size: int, point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", size)
    (outcome,) = shred([job_for(log)], tmp_path, eyes=Liar())
    assert outcome.grade is Grade.UNPROVABLE
    assert outcome.mismatches
    assert log.exists()


def test_a_file_that_moved_is_not_proven(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 9000)
    (outcome,) = shred([job_for(log)], tmp_path, eyes=Mover())
    assert (outcome.predicted, outcome.grade) == (Grade.PROVEN, Grade.MOVED)
    assert outcome.old != ()
    assert outcome.standing is None


def test_what_happens_to_the_image_behind_a_loop_device_in_mid_run_is_seen(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    outer = mounted(loop_factory(512 * MIB).path, "xfs")
    inner = loop_factory(64 * MIB, backing_dir=outer)
    log = write_log(mounted(inner.path, "ext4") / "log", 9000)
    copy = outer / "copy"

    def reflink() -> None:
        run("cp", "--reflink=always", inner.backing, copy)

    (outcome,) = shred([job_for(log)], tmp_path, eyes=Meddler(reflink))
    assert (outcome.predicted, outcome.grade) == (Grade.PROVEN, Grade.MOVED)
    assert (
        outcome.reason
        == f"the file behind {inner.path}: it shares its blocks with another file or a snapshot"
    )


def test_a_stop_leaves_the_rest_untouched(point: Path, tmp_path: Path) -> None:
    logs = [write_log(point / f"log{number}", 5000) for number in range(3)]
    stop = StopFlag()
    stop.set()
    outcomes = shred([job_for(log) for log in logs], tmp_path, stop=stop)
    assert {(item.state, item.problem) for item in outcomes} == {(FileState.UNTOUCHED, "stopped")}
    assert all(log.read_bytes().startswith(MARKER) for log in logs)


def test_two_runs_of_one_policy_do_not_overlap(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 5000)

    def second() -> None:
        with pytest.raises(RefusedError, match="another run holds"):
            shred([job_for(write_log(point / "other", 100))], tmp_path)

    (outcome,) = shred([job_for(log)], tmp_path, eyes=Meddler(second))
    assert outcome.state is FileState.UNLINKED


def test_a_device_that_drops_what_it_takes_keeps_the_file(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path, undo: ExitStack
) -> None:
    """The file behind the loop device loses its space, and none is left; some kernels report no error."""
    small = tmp_path / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=40m", "none", small)
    undo.callback(run, "umount", small)
    loop = loop_factory(32 * MIB, backing_dir=small)
    point = mounted(loop.path, "ext4")
    log = write_log(point / "log", MIB)
    other = write_log(point / "other", 4096)
    descriptor = os.open(log, os.O_RDONLY)
    placed = Places().place(descriptor)
    os.close(descriptor)
    for extent in placed.extents:
        where = ["-o", str(extent.physical_bytes), "-l", str(extent.length_bytes)]
        run("fallocate", "--punch-hole", *where, loop.backing)
    with (small / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(65536)):
                pass
        except OSError:
            pass
    failed, fine = shred([job_for(log), job_for(other)], tmp_path)
    assert failed.problem is not None and ("EIO" in failed.problem or failed.mismatches)
    assert failed.state is FileState.DAMAGED
    assert failed.grade is not Grade.PROVEN
    assert log.exists()
    assert fine.state is FileState.UNLINKED
    (small / "filler").unlink()
    (again,) = finish(tmp_path)
    assert (again.path, again.state) == (str(log), FileState.UNLINKED)


def test_a_rate_is_kept(point: Path, tmp_path: Path) -> None:
    log = write_log(point / "log", 2 * MIB)
    since = time.monotonic()
    shred([job_for(log)], tmp_path, limit_bytes_s=4 * MIB)
    assert 0.7 < time.monotonic() - since < 5


RUNNER = """
import sys
from pathlib import Path
from tests.support.log_files import finish, job_for, shred
from shredder.log_model import After
folder, state, after = Path(sys.argv[1]), Path(sys.argv[2]), After(sys.argv[3])
print("ready", flush=True)
finish(state)
shred([job_for(log, after=after) for log in sorted(folder.glob("*.log"))], state)
"""


@pytest.mark.long
@pytest.mark.parametrize("after", list(After))
def test_kills_lose_nothing_and_the_next_run_finishes(
    after: After, point: Path, tmp_path: Path, undo: ExitStack
) -> None:
    """At any moment each name is an old one or that of a file on the list, and one more run finishes all."""
    drawn = random.Random(20261121)
    folder = point / "logs"
    folder.mkdir()
    caught = 0
    for _ in range(70):
        for number in range(60):
            write_plain(folder / f"access-{number:03}.log", 3000 + number)
        words = [sys.executable, "-c", RUNNER, str(folder), str(tmp_path), after]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert process.stdout and process.stdout.readline()
        time.sleep(drawn.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        outcomes = finish(tmp_path)
        caught += bool(outcomes)
        assert all(item.problem is None for item in outcomes)
        named = {path.name for path in folder.iterdir()}
        assert {name for name in named if not name.endswith(".log")} == set(), "half-named"
        for path in folder.iterdir():
            text = path.read_bytes()
            whole = text.startswith(MARKER) and MARKER[:24] in text[-80:]
            assert whole or (after is not After.UNLINK and MARKER[:24] not in text)
            if after is After.KEEP_NAME and not whole:
                assert len(text) == 3000 + int(path.stem[-3:])
        if after is not After.UNLINK:
            assert len(named) == 60
        assert not (tmp_path / "unfinished").read_bytes()
    assert caught > 10, "the kills came too early or too late"


def write_plain(path: Path, size: int) -> None:
    path.write_bytes((MARKER * (size // len(MARKER) + 1))[:size])
