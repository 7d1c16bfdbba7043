"""Blocks in order to a few threads, each with its own buffers; they stop at a block boundary.

Several requests in flight keep the device busy while other threads encipher: all of cipher,
compare, read and write let go of the interpreter lock.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

from shredder.erase.keystream import BLOCK_BYTES, aligned_buffer
from shredder.ranges import Range, merge, span

TICK_S = 0.2
# a device whose errors take longer than this in one pass is given up: the rest is reported as
# not written (or not read), instead of an end that never comes
ERROR_TIME_LIMIT_S = 3600.0
ERROR_RANGES_LIMIT = 65_536


class StopFlag:
    """Asks to stop, once and for all. Without a lock, so that a signal handler can set it at any moment."""

    def __init__(self) -> None:
        self._asked = False

    def set(self) -> None:
        """Ask."""
        self._asked = True

    def is_set(self) -> bool:
        """True once it was asked."""
        return self._asked


class Buffers:
    """One thread's memory: a page-aligned block for the device, and on demand one to compare with."""

    def __init__(self) -> None:
        self.block = aligned_buffer(BLOCK_BYTES)

    @cached_property
    def expected(self) -> bytearray:
        """A block to make the expected bytes in."""
        return bytearray(BLOCK_BYTES)


class ErrorBudget:
    """How much trouble one pass may have before it gives up; shared by its threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent_s = 0.0
        self._ranges = 0
        self.failures = 0
        self.gave_up: str | None = None

    def now(self) -> float:
        """Return the time in seconds to hand to `failed`."""
        return self._monotonic()

    def failed(self, since_s: float) -> None:
        """Count one failed transfer that began at `since_s`."""
        with self._lock:
            self.failures += 1
            self._spent_s += self._monotonic() - since_s
            if self._spent_s > ERROR_TIME_LIMIT_S:
                self.gave_up = self.gave_up or "failing transfers took more than an hour"

    def bad_range(self) -> None:
        """Count one sector that stays bad."""
        with self._lock:
            self._ranges += 1
            if self._ranges > ERROR_RANGES_LIMIT:
                self.gave_up = self.gave_up or f"more than {ERROR_RANGES_LIMIT} bad sectors"

    def give_up(self, reason: str) -> None:
        """End the pass at the next block boundary."""
        with self._lock:
            self.gave_up = self.gave_up or reason


class Blocks:
    """Hands out the blocks of some ranges in order, until it is closed; counts what is done."""

    def __init__(self, ranges: Sequence[Range]) -> None:
        self._blocks = _cut(ranges)
        self._lock = threading.Lock()
        self._handed: list[Range] = []
        self.closed = False
        self.done_bytes = 0

    def take(self) -> Range | None:
        """Return the next block, or None at the end or when closed."""
        with self._lock:
            block = None if self.closed else next(self._blocks, None)
            if block is not None:
                self._remember(block)
            return block

    def _remember(self, block: Range) -> None:
        last = self._handed[-1] if self._handed else None
        if last is not None and last.end_bytes == block.start_bytes:
            self._handed[-1] = Range(last.start_bytes, last.length_bytes + block.length_bytes)
        else:
            self._handed.append(block)

    def done(self, block: Range) -> None:
        """Count a block whose transfer has ended, well or not."""
        with self._lock:
            self.done_bytes += block.length_bytes

    @property
    def handed(self) -> tuple[Range, ...]:
        """What was given out; once the threads have ended, every byte of it was tried."""
        return merge(self._handed)


def _cut(ranges: Iterable[Range]) -> Iterator[Range]:
    for item in ranges:
        for start in range(item.start_bytes, item.end_bytes, BLOCK_BYTES):
            yield Range(start, min(BLOCK_BYTES, item.end_bytes - start))


def describe_error(error: OSError) -> str:
    """Return e.g. "EIO: Input/output error", the same on every machine."""
    name = errno.errorcode.get(error.errno or 0, "error")
    return f"{name}: {error.strerror}"


def split_tail(ranges: Sequence[Range], sector_bytes: int) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
    """Return (what direct I/O can do, a last part below the alignment that must go alone)."""
    whole: list[Range] = []
    tail: list[Range] = []
    for item in ranges:
        aligned_end = item.end_bytes - item.end_bytes % sector_bytes
        whole.extend(span(item.start_bytes, aligned_end))
        tail.extend(span(max(item.start_bytes, aligned_end), item.end_bytes))
    return tuple(whole), tuple(tail)


def run_ranges(
    ranges: Sequence[Range],
    work: Callable[[Range, Buffers], None],
    *,
    sector_bytes: int,
    threads: int,
    budget: ErrorBudget,
    stop: StopFlag,
    tick: Callable[[int, int], None],
) -> tuple[Range, ...]:
    """Let threads work through the ranges until they are done, `stop` is set or the budget is spent.

    Args:
        ranges: what to work on, in order.
        work: what to do with one block; device errors are its own affair, what it raises is a defect.
        sector_bytes: the medium's unit; a last part below it goes alone, after all the others.
        threads: how many transfers are in flight.
        budget: ends the pass when it has given up.
        stop: set from outside; looked at before every block.
        tick: called about five times a second with (bytes done, failed transfers).

    Returns:
        What was tried. When it ends early, blocks that were taken are still finished.
    """
    handed: list[Range] = []
    before_bytes = 0
    for part, in_flight in zip(split_tail(ranges, sector_bytes), (threads, 1), strict=True):
        blocks = Blocks(part)

        def tick_part(done_bytes: int, failures: int, base_bytes: int = before_bytes) -> None:
            tick(base_bytes + done_bytes, failures)

        if part:
            _run_blocks(blocks, work, threads=in_flight, budget=budget, stop=stop, tick=tick_part)
        handed.extend(blocks.handed)
        before_bytes += blocks.done_bytes
    return merge(handed)


def _run_blocks(
    blocks: Blocks,
    work: Callable[[Range, Buffers], None],
    *,
    threads: int,
    budget: ErrorBudget,
    stop: StopFlag,
    tick: Callable[[int, int], None],
) -> None:
    defects: list[BaseException] = []

    def serve() -> None:
        buffers = Buffers()
        try:
            while not stop.is_set() and budget.gave_up is None:
                block = blocks.take()
                if block is None:
                    return
                work(block, buffers)
                blocks.done(block)
        except BaseException as defect:  # raised again where the pass is awaited
            defects.append(defect)
            blocks.closed = True

    pool = [threading.Thread(target=serve) for _ in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        while thread.is_alive():
            thread.join(TICK_S)
            tick(blocks.done_bytes, budget.failures)
    if defects:
        raise defects[0]
