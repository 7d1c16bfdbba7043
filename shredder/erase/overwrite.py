"""One pass over a medium: every block written, bad ones narrowed down to the sector, then flushed."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shredder.erase.keystream import Source
from shredder.erase.medium import Medium, is_gone
from shredder.erase.transfer import Buffers, ErrorBudget, StopFlag, describe_error, run_ranges
from shredder.ranges import Range, merge, span, subtract

# two more tries for a block and for a sector: drives remap on the second write, often
_RETRIES = 2


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What one pass did; `written` holds only if `flush_error` is None."""

    written: tuple[Range, ...]
    unwritten: tuple[Range, ...]
    write_errors: int
    flush_error: str | None
    gave_up: str | None
    stopped: bool


class _Writer:
    """Writes blocks for the threads and collects what did not take."""

    def __init__(
        self,
        medium: Medium,
        source: Source,
        budget: ErrorBudget,
        failed: Callable[[tuple[Range, ...], str], None],
    ) -> None:
        self._medium = medium
        self._source = source
        self._budget = budget
        self._report = failed
        self._lock = threading.Lock()
        self.failed: list[Range] = []

    def write_block(self, block: Range, buffers: Buffers) -> None:
        data = self._source.fill(block.start_bytes, block.length_bytes, buffers.block)
        error = self._try(data, block, retries=_RETRIES)
        if error is None:
            return
        bad = merge(self._narrow(data, block))
        if bad:
            with self._lock:
                self.failed.extend(bad)
                self._report(bad, describe_error(error))

    def _try(self, data: memoryview, place: Range, *, retries: int) -> OSError | None:
        last: OSError | None = None
        for _ in range(1 + retries):
            since_s = self._budget.now()
            try:
                self._medium.write(data, place.start_bytes)
                return None
            except OSError as error:
                last = error
                self._budget.failed(since_s)
                if is_gone(error):
                    self._budget.give_up(f"the device is gone ({error.strerror})")
            if self._budget.gave_up:
                break
        return last

    def _narrow(self, data: memoryview, place: Range) -> list[Range]:
        """Halve a range that failed until what fails is single sectors; return those."""
        sectors = -(-place.length_bytes // self._medium.sector_bytes)
        if sectors == 1:
            self._budget.bad_range()
        if sectors == 1 or self._budget.gave_up:
            return [place]
        half_bytes = sectors // 2 * self._medium.sector_bytes
        retries = _RETRIES if sectors <= 3 else 0
        bad: list[Range] = []
        for part in (Range(0, half_bytes), Range(half_bytes, place.length_bytes - half_bytes)):
            sub = Range(place.start_bytes + part.start_bytes, part.length_bytes)
            piece = data[part.start_bytes : part.end_bytes]
            if self._try(piece, sub, retries=retries) is not None:
                bad.extend(self._narrow(piece, sub))
        return bad


def overwrite(
    medium: Medium,
    source: Source,
    *,
    threads: int,
    stop: StopFlag,
    tick: Callable[[int, int], None],
    failed: Callable[[tuple[Range, ...], str], None],
    ranges: Sequence[Range] | None = None,
) -> Overwritten:
    """Write `source` over the whole medium, or some ranges of it, and flush it.

    Args:
        medium: what to write to.
        source: what belongs where.
        threads: transfers in flight.
        stop: ends the pass at a block boundary.
        tick: progress, (bytes done, failed transfers).
        failed: ranges that took no data after retries, and the error's text.
        ranges: sorted, sector-aligned; None for everything.
    """
    whole = span(0, medium.size_bytes) if ranges is None else merge(ranges)
    budget = ErrorBudget()
    writer = _Writer(medium, source, budget, failed)
    handed = run_ranges(
        whole,
        writer.write_block,
        sector_bytes=medium.sector_bytes,
        threads=threads,
        budget=budget,
        stop=stop,
        tick=tick,
    )
    written = subtract(handed, writer.failed)
    return Overwritten(
        written=written,
        unwritten=subtract(whole, written),
        write_errors=budget.failures,
        flush_error=_flush(medium),
        gave_up=budget.gave_up,
        stopped=stop.is_set() and handed != whole,
    )


def _flush(medium: Medium) -> str | None:
    """Flush once; a second try would report success for pages that the first one lost."""
    try:
        medium.flush()
    except OSError as error:
        return describe_error(error)
    return None
