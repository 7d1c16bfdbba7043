"""Reading back: every byte compared with what belongs there, differences found to the sector."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shredder.erase.keystream import Source
from shredder.erase.medium import Medium, is_gone
from shredder.erase.transfer import Buffers, ErrorBudget, StopFlag, run_ranges
from shredder.ranges import Range, merge, subtract, total_bytes

_RETRIES = 1
# a medium that differs everywhere in alternating sectors must not fill the memory with ranges
MISMATCH_RANGES_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Compared:
    """What reading back found.

    `mismatches` are whole sectors; `unreadable` gave errors, so were not compared.
    """

    checked_bytes: int
    mismatches: tuple[Range, ...]
    unreadable: tuple[Range, ...]
    read_errors: int
    gave_up: str | None
    stopped: bool


class _Reader:
    """Reads and compares blocks for the threads, and collects what is not as it should be."""

    def __init__(self, medium: Medium, source: Source, budget: ErrorBudget) -> None:
        self._medium = medium
        self._source = source
        self._budget = budget
        self._lock = threading.Lock()
        self.mismatches: list[Range] = []
        self.unreadable: list[Range] = []

    def check_block(self, block: Range, buffers: Buffers) -> None:
        self._check(block, buffers, retries=_RETRIES)

    def _check(self, place: Range, buffers: Buffers, *, retries: int) -> None:
        data = buffers.block[: place.length_bytes]
        if self._read(data, place, retries=retries):
            self._compare(data, place, buffers)
            return
        sectors = -(-place.length_bytes // self._medium.sector_bytes)
        if sectors == 1 or self._budget.gave_up:
            self._budget.bad_range()
            with self._lock:
                self.unreadable.append(place)
            return
        half_bytes = sectors // 2 * self._medium.sector_bytes
        self._check(Range(place.start_bytes, half_bytes), buffers, retries=0)
        rest = Range(place.start_bytes + half_bytes, place.length_bytes - half_bytes)
        self._check(rest, buffers, retries=0)

    def _read(self, data: memoryview, place: Range, *, retries: int) -> bool:
        for _ in range(1 + retries):
            since_s = self._budget.now()
            try:
                self._medium.read_into(data, place.start_bytes)
                return True
            except OSError as error:
                self._budget.failed(since_s)
                if is_gone(error):
                    self._budget.give_up(f"the device is gone ({error.strerror})")
                    break
        return False

    def _compare(self, data: memoryview, place: Range, buffers: Buffers) -> None:
        if self._source.matches(place.start_bytes, data, buffers.expected):
            return
        sector_bytes = self._medium.sector_bytes
        bad = [
            Range(place.start_bytes + at, min(sector_bytes, len(data) - at))
            for at in range(0, len(data), sector_bytes)
            if not self._source.matches(
                place.start_bytes + at, data[at : at + sector_bytes], buffers.expected
            )
        ]
        with self._lock:
            self.mismatches.extend(merge(bad))
            if len(self.mismatches) > MISMATCH_RANGES_LIMIT:
                self.mismatches = list(merge(self.mismatches))
        if len(self.mismatches) > MISMATCH_RANGES_LIMIT:
            self._budget.give_up(f"more than {MISMATCH_RANGES_LIMIT} separate mismatches")


def compare(
    medium: Medium,
    source: Source,
    ranges: Sequence[Range],
    *,
    threads: int,
    stop: StopFlag,
    tick: Callable[[int, int], None],
) -> Compared:
    """Read `ranges` from the medium and compare every byte with `source`.

    Args:
        medium: what to read from, flushed.
        source: what belongs where.
        ranges: sorted, sector-aligned but for the end of the medium.
        threads: transfers in flight.
        stop: ends it at a block boundary.
        tick: progress, (bytes done, failed transfers).
    """
    budget = ErrorBudget()
    reader = _Reader(medium, source, budget)
    handed = run_ranges(
        ranges,
        reader.check_block,
        sector_bytes=medium.sector_bytes,
        threads=threads,
        budget=budget,
        stop=stop,
        tick=tick,
    )
    return Compared(
        checked_bytes=total_bytes(subtract(handed, reader.unreadable)),
        mismatches=merge(reader.mismatches),
        unreadable=merge(reader.unreadable),
        read_errors=budget.failures,
        gave_up=budget.gave_up,
        stopped=stop.is_set() and handed != merge(ranges),
    )
