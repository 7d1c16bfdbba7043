"""One file's way through a round: placed, overwritten, checked, its name taken away."""

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace

from shredder.erase.file_job import FileJob, Tools
from shredder.erase.file_reading import THREADS, cut, no_tick, read_back
from shredder.erase.fresh_file import FreshFile
from shredder.erase.grading import Graded, grade
from shredder.erase.keystream import BLOCK_BYTES
from shredder.erase.medium import MediumRefusedError
from shredder.erase.names import rename
from shredder.erase.overwrite import overwrite
from shredder.erase.pace import PacedWindow
from shredder.erase.pinned_file import FileRefusedError, PinnedFile
from shredder.erase.standing import OldBytes
from shredder.erase.transfer import describe_error
from shredder.erase.unfinished import Entry
from shredder.log_model import (
    FileOutcome,
    FileState,
    Grade,
    Placement,
    RawRange,
    ReadBack,
)
from shredder.model import Unavailable
from shredder.ranges import Range, merge, span

# below this, the cost of starting threads outweighs what they bring
LARGE_BYTES = 4 * BLOCK_BYTES


class FileWork:
    """One file, from the moment it is pinned.

    Args:
        job: what to do.
        folder: the open folder that holds it.
        pinned: the file.
        start_bytes: where its part of the streams begins.
        tools: shared with the others.
    """

    def __init__(self, job: FileJob, folder: int, pinned: PinnedFile, start_bytes: int, tools: Tools) -> None:
        self.job = job
        self.folder = folder
        self.pinned = pinned
        self.entry: Entry | None = None
        self.problem: str | None = None
        self._start_bytes = start_bytes
        self._tools = tools
        self._state = FileState.UNTOUCHED
        self._before = self._after = self._reachable(tools.eyes.place(pinned.fileno()))
        self._graded: Graded | None = None
        self._read_back = ReadBack.NONE
        self._unwritten: tuple[Range, ...] = ()
        self._mismatches: tuple[Range, ...] = ()
        self._old: OldBytes | None = None
        self._standing: tuple[RawRange, ...] | None = None
        self.ranges: tuple[Range, ...] = ()

    @property
    def predicted(self) -> Grade:
        """The best grade that the file can reach."""
        return self._before.expected

    @property
    def is_large(self) -> bool:
        """Whether it is worth threads of its own, and direct I/O."""
        return self.pinned.size_bytes >= LARGE_BYTES

    def _reachable(self, found: Placement) -> Placement:
        """Return the placement; without raw places where their device does not let itself be read."""
        try:
            for place in found.old:
                self._tools.devices.get(place.device)
        except MediumRefusedError as error:
            why = f"the raw device was not read: {error.message}"
            found = replace(found, raw=Unavailable(error.message), old=())
            if found.expected is Grade.PROVEN:
                found = replace(found, expected=Grade.IN_PLACE, reason=why)
        return found

    def prepare(self) -> None:
        """Open the file for writing, and remember its old bytes where they will be left standing.

        Raises:
            FileRefusedError: it cannot be written, or somebody else has it open.
            OSError: its bytes cannot be read.
        """
        self.pinned.open_for_writing(self._before.block_bytes, direct=self.is_large)
        self.ranges = self._find_data()
        if self._before.expected is Grade.MOVED and self._before.old:
            tools = self._tools
            self._old = OldBytes(
                tools.devices, self._before.old, self._before.block_bytes, tools.buffers, tools.pace
            )

    def _find_data(self) -> tuple[Range, ...]:
        """Return what holds data, to the end of its blocks; holes stay holes."""
        end_bytes, block_bytes = self.pinned.size_bytes, self._before.block_bytes
        extents = self._before.extents
        found = [(item.file_bytes, item.file_bytes + item.length_bytes) for item in extents]
        if not extents:
            found = _seek_data(self.pinned.fileno(), self.pinned.facts.size_bytes)
        aligned = [
            item
            for first, end in found
            for item in span(
                first - first % block_bytes, min(end_bytes, -(-end // block_bytes) * block_bytes)
            )
        ]
        return merge(aligned) if len(aligned) > 1 else tuple(aligned)

    def overwrite(self, number: int) -> None:
        """Write one pass; `number` counts from 0."""
        if number == 0 and not self._holds(self.pinned.check_alone, self.pinned.check_version):
            return
        self._state = FileState.DAMAGED
        if self.is_large:
            self._overwrite_large(self._window(number))
        else:
            self._overwrite_small(self._window(number))

    def _holds(self, *checks: Callable[[], None]) -> bool:
        """Keep the file where it is no longer ours alone."""
        try:
            for check in checks:
                check()
        except FileRefusedError as error:
            self.fail(error.message)
            return False
        return True

    def _overwrite_large(self, window: PacedWindow) -> None:
        done = overwrite(
            self.pinned,
            window,
            threads=THREADS,
            stop=self._tools.stop,
            tick=no_tick,
            failed=lambda _, error: self.fail(f"{self.job.path} cannot be overwritten ({error})"),
            ranges=self.ranges,
        )
        self._unwritten = done.unwritten
        if done.flush_error:
            self.fail(f"{self.job.path} cannot be flushed ({done.flush_error})")
        elif done.unwritten:
            self.fail(done.gave_up or "stopped")

    def _overwrite_small(self, window: PacedWindow) -> None:
        left = list(cut(self.ranges))
        while left:
            block = left[0]
            try:
                data = window.fill(block.start_bytes, block.length_bytes, self._tools.buffers.block)
                self.pinned.write(data, block.start_bytes)
            except OSError as error:
                self._unwritten = merge(left)
                self.fail(f"{self.job.path} cannot be overwritten ({describe_error(error)})")
                return
            left.pop(0)

    def flush(self) -> None:
        """Flush this file alone."""
        try:
            self.pinned.flush()
        except OSError as error:
            self.fail(f"{self.job.path} cannot be flushed ({describe_error(error)})")

    def look_again(self) -> None:
        """See where the file lies now."""
        try:
            found = self._tools.eyes.place_again(self.pinned.fileno(), self._before)
            self._after = found if found is self._before else self._reachable(found)
        except OSError as error:
            self.fail(f"{self.job.path} cannot be looked at ({describe_error(error)})")

    @property
    def raw_places(self) -> tuple[RawRange, ...]:
        """Where to read the file back from the device, as of the last look; nothing where it cannot be."""
        return () if isinstance(self._after.raw, Unavailable) else self._after.raw

    def check(self) -> None:
        """Read back what was written, and grade it."""
        after = self._after
        try:
            if after.size_bytes != self._written_bytes():
                self.fail(f"{self.job.path} was written to by somebody else meanwhile")
                return
            if self._tools.read_back:
                self._compare(after)
            if self._old:
                self._standing = self._old.find_standing(self._tools.buffers, self._tools.pace)
        except OSError as error:
            self.fail(f"{self.job.path} cannot be read back ({describe_error(error)})")
            return
        if self.problem is None:
            self._graded = grade(self._before, after, self._read_back)

    def _written_bytes(self) -> int:
        """Return the length that overwriting leaves: to the end of its last block, or of the hole there."""
        end_bytes = self.ranges[-1].end_bytes if self.ranges else 0
        return max(self.pinned.facts.size_bytes, end_bytes)

    def _compare(self, after: Placement) -> None:
        found = read_back(self.pinned, after, self.ranges, self._window(-1), self._tools, large=self.is_large)
        self._read_back = found.source
        self._mismatches = found.mismatches
        if found.mismatches:
            self.fail(f"what was read back from {self.job.path} is not what was written")
        elif not found.is_whole:
            self.fail(f"{self.job.path} was not read back as a whole")

    def _window(self, number: int) -> PacedWindow:
        """Return this file's part of the stream of a pass."""
        return PacedWindow(self._tools.sources[number], self._start_bytes, self._tools.pace)

    def fail(self, problem: str) -> None:
        """Keep the file, for this reason; the first one counts."""
        self.problem = self.problem or problem

    def _is_still_ours(self) -> bool:
        return self._holds(self.pinned.check_alone, self.pinned.check_names)

    def release_name(self) -> None:
        """Rename the file to its random name; a file that has taken the old name since is left alone."""
        entry = self.entry
        if not self._is_still_ours() or entry is None or not entry.new_name:
            return
        replaced = f"{self.job.path} was replaced by another file in mid-run"
        try:
            if not self.pinned.has_name(self.folder, entry.name):
                self.fail(replaced)
                return
            rename(self.folder, entry.name, entry.new_name)
            if not self.pinned.has_name(self.folder, entry.new_name):
                rename(self.folder, entry.new_name, entry.name)
                self.fail(replaced)
        except OSError as error:
            self.fail(f"{self.job.path} cannot be renamed ({describe_error(error)})")

    def recreate(self) -> None:
        """Put a fresh empty file with the old owner and mode in place; one that is there already stays."""
        facts = self.pinned.facts
        name = os.path.basename(self.job.path)  # noqa: PTH119
        fresh = FreshFile(self.folder, name, (facts.uid, facts.gid), facts.mode & 0o7777)
        with contextlib.closing(fresh), contextlib.suppress(FileExistsError):
            fresh.appear()

    def recreate_or_say(self) -> None:
        """Do the same; where it cannot be done, the outcome says so."""
        try:
            self.recreate()
        except OSError as error:
            self.fail(f"{self.job.path} was shredded and cannot be made again ({describe_error(error)})")

    def unlink(self) -> None:
        """Take the name away."""
        name = (self.entry and self.entry.new_name) or self.job.name
        if not self._is_still_ours():
            return
        try:
            if not self.pinned.has_name(self.folder, name):
                self.fail(f"{self.job.path} was replaced by another file in mid-run")
                return
            os.unlink(name, dir_fd=self.folder)
        except OSError as error:
            self.fail(f"{self.job.path} cannot be unlinked ({describe_error(error)})")
        else:
            self._state = FileState.UNLINKED
            self._holds(self.pinned.check_alone)  # too late to keep it, and not to say so

    def restore(self) -> None:
        """Give a file that keeps its name its old length again."""
        if not self._is_still_ours():
            return
        try:
            self.pinned.restore_size(self._length_before())
        except OSError as error:
            self.fail(f"{self.job.path} cannot be given its length again ({describe_error(error)})")
        else:
            self._state = FileState.OVERWRITTEN

    def _length_before(self) -> int:
        """A run that was killed may have left the file longer than it was."""
        earlier = self.job.continues
        return earlier.size_bytes if earlier else self.pinned.facts.size_bytes

    def outcome(self) -> FileOutcome:
        """Return what became of the file."""
        graded = self._graded
        touched = self._state is not FileState.UNTOUCHED
        is_moved = graded is not None and graded.grade is Grade.MOVED
        return FileOutcome(
            path=self.job.path,
            file=self.pinned.id,
            size_bytes=self._length_before(),
            state=self._state,
            predicted=self._before.expected,
            grade=graded.grade if graded else Grade.UNPROVABLE if touched else None,
            reason=graded.reason if graded else self.problem or self._before.reason,
            problem=self.problem,
            read_back=self._read_back,
            unwritten=self._unwritten,
            mismatches=self._mismatches,
            old=self._before.old if is_moved else (),
            standing=self._standing,
        )


def _seek_data(descriptor: int, size_bytes: int) -> list[tuple[int, int]]:
    """Return what holds data where there is no map of extents (lseek(2), SEEK_DATA)."""
    found = []
    end = 0
    while end < size_bytes:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        found.append((start, end))
    return found
