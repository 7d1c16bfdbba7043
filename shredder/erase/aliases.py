"""Whether another path leads to the medium that was written: what was written is looked for there."""

from collections.abc import Callable, Sequence

from shredder.erase.block_device import BlockDevice
from shredder.erase.keystream import Source
from shredder.erase.medium import MediumRefusedError
from shredder.erase.transfer import StopFlag
from shredder.erase.verify import compare
from shredder.events import AliasRead
from shredder.ranges import Range, total_bytes


def read_alias(
    path: str,
    alias: str,
    source: Source,
    ranges: Sequence[Range],
    *,
    threads: int,
    stop: StopFlag,
    tick: Callable[[int, int], None],
) -> AliasRead:
    """Read `ranges` through another path and compare every byte with what the last pass wrote.

    Args:
        path: the target, flushed.
        alias: the node that is taken for another path to it; it is only read.
        source: what belongs where.
        ranges: sorted, sector-aligned.
        threads: transfers in flight.
        stop: ends it at a block boundary.
        tick: progress, (bytes done, failed transfers).
    """
    to_check_bytes = total_bytes(ranges)
    try:
        medium = BlockDevice(alias, writable=False)
    except MediumRefusedError as refused:
        return AliasRead(path, alias, to_check_bytes, 0, 0, refused.message, stopped=False)
    try:
        found = compare(medium, source, ranges, threads=threads, stop=stop, tick=tick)
    finally:
        medium.close(untouched=False)
    lost_bytes = total_bytes(found.unreadable)
    error = found.gave_up or (f"{lost_bytes} bytes could not be read" if lost_bytes else None)
    differing_bytes = total_bytes(found.mismatches)
    return AliasRead(path, alias, to_check_bytes, found.checked_bytes, differing_bytes, error, found.stopped)
