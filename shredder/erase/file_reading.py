"""Reading a file back: from the raw device where that can be, else through the file itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from shredder.erase.file_job import Tools
from shredder.erase.keystream import BLOCK_BYTES
from shredder.erase.medium import Medium
from shredder.erase.pace import PacedWindow
from shredder.erase.pinned_file import PinnedFile
from shredder.erase.raw_view import RawView
from shredder.erase.verify import compare
from shredder.log_model import Placement, ReadBack
from shredder.model import Unavailable
from shredder.ranges import Range, merge

# transfers in flight for one large file
THREADS = 6


@dataclass(frozen=True, slots=True)
class FoundBack:
    """What reading back found; `is_whole` is False when some of it could not be compared."""

    source: ReadBack
    mismatches: tuple[Range, ...]
    is_whole: bool


def read_back(
    pinned: PinnedFile,
    placement: Placement,
    ranges: Sequence[Range],
    window: PacedWindow,
    tools: Tools,
    *,
    large: bool,
) -> FoundBack:
    """Read ranges of a file, all copies of them, and compare every byte with what was written.

    Args:
        pinned: the file, flushed.
        placement: where it lies now.
        ranges: what was written, in whole blocks.
        window: what belongs there.
        tools: the devices and buffers of the run.
        large: with threads; a block in which something differs is then narrowed down.

    Raises:
        OSError: a small file cannot be read.
    """
    source, media = _choose_media(pinned, placement, tools, ahead=not large)
    mismatches: list[Range] = []
    is_whole = True
    for medium in media:
        if large:
            found = compare(medium, window, ranges, threads=THREADS, stop=tools.stop, tick=no_tick)
            mismatches.extend(found.mismatches)
            is_whole = is_whole and not (found.unreadable or found.gave_up or found.stopped)
        else:
            mismatches.extend(_compare_small(medium, window, ranges, tools))
    return FoundBack(source, merge(mismatches), is_whole)


def _choose_media(
    pinned: PinnedFile, placement: Placement, tools: Tools, *, ahead: bool
) -> tuple[ReadBack, list[Medium]]:
    raw = placement.raw
    if isinstance(raw, Unavailable):
        pinned.forget_cached()
        return ReadBack.FILE, [pinned]
    copies = sorted({item.copy for item in raw})
    size_bytes, block_bytes = pinned.size_bytes, placement.block_bytes
    return ReadBack.RAW, [
        RawView(tools.devices, raw, copy, size_bytes, block_bytes, ahead=ahead) for copy in copies
    ]


def _compare_small(medium: Medium, window: PacedWindow, ranges: Sequence[Range], tools: Tools) -> list[Range]:
    found = []
    for block in cut(ranges):
        data = tools.buffers.block[: block.length_bytes]
        medium.read_into(data, block.start_bytes)
        if not window.matches(block.start_bytes, data, tools.buffers.expected):
            found.append(block)
    return found


def cut(ranges: Sequence[Range]) -> list[Range]:
    """Return the ranges in blocks of a buffer's size."""
    return [
        Range(start, min(BLOCK_BYTES, item.end_bytes - start))
        for item in ranges
        for start in range(item.start_bytes, item.end_bytes, BLOCK_BYTES)
    ]


def no_tick(done_bytes: int, failures: int) -> None:
    """Files report no progress of their own."""
