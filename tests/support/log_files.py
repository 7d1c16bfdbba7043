"""Log files on real file systems, shredded without the command line."""

import ctypes
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

from shredder.discover.placement import Places
from shredder.erase.batch import HowToShred, shred_files
from shredder.erase.file_job import Eyes, FileJob
from shredder.erase.keystream import RandomSource, Source
from shredder.erase.leftovers import find_leftovers
from shredder.erase.transfer import StopFlag
from shredder.erase.unfinished import Unfinished
from shredder.log_model import After, FileId, FileOutcome, Grade
from shredder.statx import look_at
from tests.support.devices import LoopDevice
from tests.support.machine import run

MARKER = b"203.0.113.77 - alice GET /secret/path?token=hunter2 "
ANY = frozenset(Grade)


def write_log(path: Path, size_bytes: int, marker: bytes = MARKER) -> Path:
    """Write a log of exactly so many bytes, and get it to the device."""
    with path.open("wb") as file:
        file.write((marker * (size_bytes // len(marker) + 1))[:size_bytes])
        os.fsync(file.fileno())
    return path


def job_for(path: Path, *, after: After = After.UNLINK, accept: frozenset[Grade] = ANY) -> FileJob:
    """Return the job to shred a file that is there."""
    folder = os.open(path.parent, os.O_RDONLY)
    facts = look_at(path.name, folder)
    os.close(folder)
    file = FileId(facts.device, facts.inode, facts.born_ns)
    return FileJob(str(path), str(path.parent), path.name, file, accept, after)


def shred(
    jobs: Iterable[FileJob],
    state: Path,
    *,
    sources: tuple[Source, ...] | None = None,
    read_back: bool = True,
    limit_bytes_s: int | None = None,
    eyes: Eyes | None = None,
    stop: StopFlag | None = None,
) -> list[FileOutcome]:
    """Shred files in this process; the list of unfinished ones stands in the folder `state`."""
    how = HowToShred(sources or (RandomSource(os.urandom(16)),), read_back, limit_bytes_s)
    with closing(Unfinished(state / "unfinished")) as unfinished:
        return list(shred_files(jobs, how, eyes or Places(), unfinished, stop or StopFlag()))


def finish(state: Path) -> list[FileOutcome]:
    """Finish what an earlier run left."""
    how = HowToShred((RandomSource(os.urandom(16)),), read_back=True, limit_bytes_s=None)
    with closing(Unfinished(state / "unfinished")) as unfinished:
        found = find_leftovers(unfinished)
        return list(shred_files(found.jobs, how, Places(), unfinished, StopFlag()))


def exchange(one: Path, other: Path) -> None:
    """Exchange two names in one step, whatever they name (renameat2(2))."""
    found = ctypes.CDLL(None).renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2)
    assert found == 0


def on_device(loop: LoopDevice, what: bytes = MARKER[:24]) -> list[int]:
    """Return where a text stands on the raw device, past every cache of it."""
    run("sync")
    run("blockdev", "--flushbufs", loop.path)
    return list(_find(loop.backing.read_bytes(), what))


def _find(data: bytes, what: bytes) -> Iterator[int]:
    at = data.find(what)
    while at >= 0:
        yield at
        at = data.find(what, at + 1)


def mount_with(loop: LoopDevice, point: Path, options: str, undo: ExitStack) -> Path:
    """Mount a device with options."""
    point.mkdir(exist_ok=True)
    run("mount", "-o", options, loop.path, point)
    undo.callback(lambda: point.is_mount() and run("umount", point))
    return point


MakeLoop = Callable[..., LoopDevice]
Mount = Callable[..., Path]
