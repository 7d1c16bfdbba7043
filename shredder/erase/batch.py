"""Many files at once: overwritten, flushed together, read back, renamed, unlinked; always in this order.

A round of files is noted in the list of unfinished files before its first write and taken off it after its
last step, so the next run finds what a killed one left, under either name.
"""

import contextlib
import os
import resource
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from shredder.erase.file_job import Eyes, FileJob, Tools
from shredder.erase.file_work import FileWork
from shredder.erase.keystream import Source
from shredder.erase.names import (
    draw_free_name,
    flush_file_system,
    identify_file_system,
    open_folder,
    why_names_stay,
)
from shredder.erase.pace import WINDOW_BYTES, Pace
from shredder.erase.pinned_file import FileRefusedError, PinnedFile
from shredder.erase.raw_view import RawDevices
from shredder.erase.transfer import Buffers, StopFlag, describe_error
from shredder.erase.unfinished import Entry, Unfinished, key_of
from shredder.log_model import After, FileOutcome, FileState, ReadBack
from shredder.units import KIB

# a round costs some ten flushes, whatever its size; each file holds a descriptor, and its folder another
_ROUND_FILES = 1024
_DESCRIPTORS = 4096
_OTHER_DESCRIPTORS = 128
_LARGEST_BLOCK_BYTES = 64 * KIB
# the coarsest times of change that a file system keeps are two seconds apart
_JUST_NOW_NS = 4 * 10**9


@dataclass(frozen=True, slots=True)
class HowToShred:
    """What holds for all files of a run.

    Args:
        sources: what each pass writes, in order; the files follow one another in these streams.
        read_back: whether to read everything back after the last pass.
        limit_bytes_s: bytes a second, read and written together; None for no limit.
    """

    sources: tuple[Source, ...]
    read_back: bool
    limit_bytes_s: int | None


def shred_files(
    jobs: Iterable[FileJob], how: HowToShred, eyes: Eyes, unfinished: Unfinished, stop: StopFlag
) -> Iterator[FileOutcome]:
    """Shred files, and yield what became of each; see `shred_rounds`."""
    for outcomes in shred_rounds(jobs, how, eyes, unfinished, stop):
        yield from outcomes


def shred_rounds(
    jobs: Iterable[FileJob], how: HowToShred, eyes: Eyes, unfinished: Unfinished, stop: StopFlag
) -> Iterator[tuple[FileOutcome, ...]]:
    """Shred files, and yield what became of those that went through every step together.

    They are taken off the list when the next ones are asked for: whoever keeps a record of them first has
    each file on the record or on the list, whenever the run is killed.

    Args:
        jobs: taken a round at a time, so that any number of them needs little memory.
        how: passes, reading back, rate.
        eyes: how files lie.
        unfinished: the list of this policy.
        stop: set from outside; what was begun by then stays on the list.

    Raises:
        OSError: the list of unfinished files cannot be written.
    """
    devices = RawDevices()
    tools = Tools(how.sources, how.read_back, Pace(how.limit_bytes_s), eyes, devices, Buffers(), stop)
    waiting = iter(jobs)
    next_bytes = 0
    try:
        round_files = _choose_round_files()
        while some := tuple(islice(waiting, round_files)):
            with _Round(tools, unfinished, next_bytes) as current:
                yield tuple(current.carry_out(some))
                current.finish()
                next_bytes = current.next_bytes
    finally:
        devices.close()


def _choose_round_files() -> int:
    """Raise the usual limit of 1024 descriptors where we may; return how many files have room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= _DESCRIPTORS:
        soft = max(soft, _DESCRIPTORS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(_ROUND_FILES, (soft - _OTHER_DESCRIPTORS) // 2))


class _Round:
    """Some files that go through every step together."""

    def __init__(self, tools: Tools, unfinished: Unfinished, next_bytes: int) -> None:
        self._tools = tools
        self._unfinished = unfinished
        self._open = contextlib.ExitStack()
        self._folders: dict[str, int] = {}
        self._locks: dict[int, str] = {}
        self._file_systems: dict[int, str] = {}
        self._drawn: defaultdict[int, set[str]] = defaultdict(set)
        self._flushed: set[int] = set()
        self._works: list[FileWork] = []
        self.next_bytes = next_bytes

    def __enter__(self) -> "_Round":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def carry_out(self, jobs: Sequence[FileJob]) -> Iterator[FileOutcome]:
        self._tools.eyes.refresh()
        works: list[FileWork] = []
        for job in jobs:
            taken = self._take(job)
            if isinstance(taken, FileOutcome):
                yield taken
            else:
                works.append(taken)
        self._unfinished.begin([self._note(work) for work in works])
        self._overwrite(works)
        self._check(works)
        self._take_names(_good(works))
        self._works = works
        yield from (work.outcome() for work in works)

    def finish(self) -> None:
        """Take off the list what is done, and what was not touched after all."""
        states = [(work, work.outcome().state) for work in self._works]
        done = [work for work, state in states if state in (FileState.UNLINKED, FileState.OVERWRITTEN)]
        untouched = [work for work, state in states if state is FileState.UNTOUCHED]
        over = [work.entry for work in (*done, *untouched) if work.entry]
        over += [work.job.continues for work in done if work.job.continues]
        kept = {key_of(work.job.continues) for work in untouched if work.job.continues}
        self._unfinished.finish([entry for entry in over if key_of(entry) not in kept])

    def _take(self, job: FileJob) -> FileWork | FileOutcome:
        """Pin, place, open for writing; or say why not."""
        if self._tools.stop.is_set():
            return _untouched(job, "stopped")
        try:
            folder = self._folder(job)
            if job.after is not After.KEEP_NAME and self._locks[folder]:
                return _untouched(job, f"the folder of {job.path} {self._locks[folder]}")
            pinned = PinnedFile(folder, job.name, job.path, job.file, job.version)
        except FileRefusedError as error:
            return _untouched(job, error.message + self._other_names(job, error.links))
        except OSError as error:
            return _untouched(job, f"the folder of {job.path} cannot be opened ({describe_error(error)})")
        return self._prepare(job, folder, pinned)

    def _prepare(self, job: FileJob, folder: int, pinned: PinnedFile) -> FileWork | FileOutcome:
        work = None
        try:
            work = FileWork(job, folder, pinned, self.next_bytes, self._tools)
            if work.predicted in job.accept:
                work.prepare()
                self._open.callback(pinned.close)
                window = pinned.size_bytes + _LARGEST_BLOCK_BYTES
                self.next_bytes += window - window % WINDOW_BYTES
                return work
            problem = f"{job.path} would be {work.predicted}, which is not accepted"
        except FileRefusedError as error:
            problem = error.message
        except OSError as error:
            problem = f"{job.path} cannot be looked at ({describe_error(error)})"
        pinned.close()
        if work is None:
            return _untouched(job, problem)
        work.fail(problem)
        return work.outcome()

    def _folder(self, job: FileJob) -> int:
        if job.folder not in self._folders:
            descriptor = open_folder(job.folder)
            self._open.callback(os.close, descriptor)
            self._folders[job.folder] = descriptor
            self._locks[descriptor] = why_names_stay(descriptor)
            self._file_systems[descriptor] = identify_file_system(descriptor)
        return self._folders[job.folder]

    def _other_names(self, job: FileJob, links: int) -> str:
        if links < 2:
            return ""
        folder = self._folders[job.folder]
        found = self._tools.eyes.find_names(folder, job.file.device, job.file.inode, links)
        missing = links - len(found)
        more = f" and {missing} that cannot be found from here" if missing else ""
        return f": {', '.join(found)}{more}"

    def _note(self, work: FileWork) -> Entry:
        job, facts = work.job, work.pinned.facts
        keeps = job.after is After.KEEP_NAME
        drawn = None if keeps else draw_free_name(job.name, work.folder, self._drawn[work.folder])
        just_changed = abs(time.time_ns() - facts.mtime_ns) < _JUST_NOW_NS
        work.entry = Entry(
            path=job.path,
            folder=job.folder,
            name=job.name,
            new_name=drawn or "",
            device=facts.device,
            file_system=self._file_systems[work.folder],
            inode=facts.inode,
            born_ns=facts.born_ns,
            size_bytes=job.continues.size_bytes if job.continues else facts.size_bytes,
            mtime_ns=None if job.continues or just_changed else facts.mtime_ns,
            after=job.after,
        )
        return work.entry

    def _overwrite(self, works: Sequence[FileWork]) -> None:
        for number in range(len(self._tools.sources)):
            for work in _good(works):
                if self._tools.stop.is_set():
                    work.fail("stopped")
                else:
                    work.overwrite(number)
            self._flush(_good(works))

    def _check(self, works: Sequence[FileWork]) -> None:
        """Read back in the order of the device, neighbours at one go."""
        self._tools.eyes.refresh()
        for work in _good(works):
            work.look_again()
        small = [place for work in _good(works) if not work.is_large for place in work.raw_places]
        self._tools.devices.expect(small)
        for work in sorted(_good(works), key=_first_place):
            work.check()

    def _flush(self, works: Sequence[FileWork]) -> None:
        """Flush each file system once; where that fails, each file tells for itself."""
        by_device: dict[str, list[FileWork]] = {}
        for work in works:
            if not work.is_large:
                by_device.setdefault(work.pinned.facts.device, []).append(work)
        for together in by_device.values():
            try:
                flush_file_system(together[0].folder)
            except OSError:
                for work in together:
                    work.flush()

    def _take_names(self, works: Sequence[FileWork]) -> None:
        leaving = [work for work in works if work.job.after is not After.KEEP_NAME]
        for work in works:
            if work.job.after is After.KEEP_NAME:
                work.restore()
        for work in leaving:
            work.release_name()
            if work.problem is None and work.job.after is After.RECREATE:
                with contextlib.suppress(OSError):  # tried again below, when the old file's space is free
                    work.recreate()
        self._sync_folders(leaving)
        self._unfinished.renamed(
            [work.entry for work in _good(leaving) if work.entry and work.entry.new_name]
        )
        for work in _good(leaving):
            work.unlink()
            if work.problem is None and work.job.after is After.RECREATE:
                work.recreate_or_say()
        self._sync_folders(leaving)

    def _sync_folders(self, works: Sequence[FileWork]) -> None:
        for folder in dict.fromkeys(work.folder for work in works):
            try:
                os.fsync(folder)
            except OSError as error:
                for work in works:
                    if work.folder == folder:
                        work.fail(
                            f"the folder of {work.job.path} cannot be flushed ({describe_error(error)})"
                        )


def _first_place(work: FileWork) -> tuple[str, int]:
    first = next(iter(work.raw_places), None)
    return (first.device, first.start_bytes) if first else ("", 0)


def _good(works: Sequence[FileWork]) -> list[FileWork]:
    return [work for work in works if work.problem is None]


def _untouched(job: FileJob, problem: str) -> FileOutcome:
    return FileOutcome(
        path=job.path,
        file=job.file,
        size_bytes=0,
        state=FileState.UNTOUCHED,
        predicted=None,
        grade=None,
        reason=problem,
        problem=problem,
        read_back=ReadBack.NONE,
        unwritten=(),
        mismatches=(),
        old=(),
        standing=None,
    )
