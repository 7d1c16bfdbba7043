"""The nouns of logs: a file, where its bytes lie, how surely they are gone, what came of it. All frozen."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shredder.model import Unavailable
from shredder.ranges import Range


class Grade(StrEnum):
    """How surely a file's old bytes are gone; the best first.

    PROVEN: extents unchanged, data not journalled, and the raw device gave the new bytes back.
    IN_PLACE: extents unchanged, the raw device was not read. MOVED: new bytes went elsewhere, or
    others share the old ones. UNPROVABLE: nobody can tell from here.
    """

    PROVEN = "proven"
    IN_PLACE = "in-place"
    MOVED = "moved"
    UNPROVABLE = "unprovable"


_BEST_FIRST = tuple(Grade)


def worst(grades: Iterable[Grade]) -> Grade:
    """Return the grade that claims least; PROVEN when there are none."""
    return max(grades, key=_BEST_FIRST.index, default=Grade.PROVEN)


@dataclass(frozen=True, slots=True)
class FileId:
    """What tells one file from another, also from a later one with the same inode number.

    `device` is "major:minor" as stat gives it; `born_ns` is the birth time in nanoseconds since
    1970, 0 where the file system keeps none.
    """

    device: str
    inode: int
    born_ns: int


@dataclass(frozen=True, slots=True)
class Version:
    """What a file was like at one moment: while this stays the same, nobody has written to it."""

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a lineage.

    `links` counts its names. `mtime_ns` is in nanoseconds since 1970; `oldest_s` and `newest_s` are the whole
    seconds of the first and last record, None where none could be read.
    """

    path: str
    device: str
    inode: int
    links: int
    size_bytes: int
    mtime_ns: int
    oldest_s: int | None
    newest_s: int | None

    @property
    def mtime_s(self) -> int:
        """The last change in whole seconds since 1970."""
        return self.mtime_ns // 10**9

    @property
    def key(self) -> tuple[str, int]:
        """What its openers are known by: device and inode."""
        return (self.device, self.inode)

    @property
    def version(self) -> Version:
        """What it was like when it was looked at."""
        return Version(self.size_bytes, self.mtime_ns)


class ExtentMark(StrEnum):
    """What the kernel adds to an extent (linux/fiemap.h); all but UNWRITTEN keep a file from being proven."""

    SHARED = "shared"
    ENCODED = "encoded"
    INLINE = "inline"
    UNKNOWN = "unknown"
    UNWRITTEN = "unwritten"


@dataclass(frozen=True, slots=True)
class Extent:
    """`length_bytes` of a file from `file_bytes` on, at `physical_bytes` as the file system counts."""

    file_bytes: int
    physical_bytes: int
    length_bytes: int
    marks: tuple[ExtentMark, ...]


@dataclass(frozen=True, slots=True)
class RawRange:
    """Where a part of a file lies on a block device; `copy` counts from 0 where there are several."""

    device: str
    start_bytes: int
    length_bytes: int
    file_bytes: int
    copy: int

    def __str__(self) -> str:
        return f"{self.device} {Range(self.start_bytes, self.length_bytes)}"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a file lies before or after it is overwritten; `size_bytes` is its length then.

    `block_bytes` is the unit in which its file system gives out space. `raw` are the places on block
    devices, or why they cannot be read back. `old` are the same places, and of a compressed extent, whose
    length on the device is not told, the first block. `expected` is the best grade that overwriting can
    reach from here, `reason` why it is no better ("" for PROVEN).
    """

    file_system: str
    size_bytes: int
    block_bytes: int
    extents: tuple[Extent, ...]
    journalled: bool
    raw: tuple[RawRange, ...] | Unavailable
    old: tuple[RawRange, ...]
    expected: Grade
    reason: str


class After(StrEnum):
    """What becomes of the name: gone, gone and a fresh empty file in its place, or kept."""

    UNLINK = "unlink"
    RECREATE = "recreate"
    KEEP_NAME = "keep-name"


class FileState(StrEnum):
    """How far a file came.

    UNTOUCHED: not one byte was written. DAMAGED: begun and not finished; the next run goes on with it.
    OVERWRITTEN: done, and its name was to be kept. UNLINKED: done, and the name is gone.
    """

    UNTOUCHED = "untouched"
    DAMAGED = "damaged"
    OVERWRITTEN = "overwritten"
    UNLINKED = "unlinked"


class ReadBack(StrEnum):
    """Where the new bytes were read from afterwards."""

    RAW = "raw"
    FILE = "file"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file.

    `predicted` and `grade` are before the first write and after the last read; both None where it was
    not looked at, `grade` None where nothing was written. `reason` says why the grade is no better,
    `problem` why the file was kept. `unwritten` and `mismatches` are ranges of the file. `old` are the
    places where the old bytes lay when the file was not overwritten in place, `standing` those of them
    where they still stand, None where nobody could look.
    """

    path: str
    file: FileId
    size_bytes: int
    state: FileState
    predicted: Grade | None
    grade: Grade | None
    reason: str
    problem: str | None
    read_back: ReadBack
    unwritten: tuple[Range, ...]
    mismatches: tuple[Range, ...]
    old: tuple[RawRange, ...]
    standing: tuple[RawRange, ...] | None
