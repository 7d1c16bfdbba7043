"""Byte ranges, and the few set operations on them that reports need."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice


@dataclass(frozen=True, slots=True, order=True)
class Range:
    """`length_bytes` bytes from `start_bytes` on; never empty, never negative."""

    start_bytes: int
    length_bytes: int

    def __post_init__(self) -> None:
        if self.start_bytes < 0 or self.length_bytes <= 0:
            raise ValueError(f"not a range: start {self.start_bytes}, length {self.length_bytes}")

    @property
    def end_bytes(self) -> int:
        """The first byte after the range."""
        return self.start_bytes + self.length_bytes

    def __str__(self) -> str:
        return f"bytes {self.start_bytes}-{self.end_bytes - 1}"


def span(start_bytes: int, end_bytes: int) -> tuple[Range, ...]:
    """Return the range [start, end) in bytes as a tuple, empty when it holds nothing."""
    return (Range(start_bytes, end_bytes - start_bytes),) if end_bytes > start_bytes else ()


def merge(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same bytes as sorted ranges that neither overlap nor touch."""
    merged: list[Range] = []
    for item in sorted(ranges):
        if merged and item.start_bytes <= merged[-1].end_bytes:
            last = merged.pop()
            end_bytes = max(last.end_bytes, item.end_bytes)
            merged.append(Range(last.start_bytes, end_bytes - last.start_bytes))
        else:
            merged.append(item)
    return tuple(merged)


def subtract(ranges: Iterable[Range], taken: Iterable[Range]) -> tuple[Range, ...]:
    """Return the bytes of `ranges` that are not in `taken`."""
    holes = merge(taken)
    first = 0
    left: list[Range] = []
    for item in merge(ranges):
        while first < len(holes) and holes[first].end_bytes <= item.start_bytes:
            first += 1
        at = item.start_bytes
        for hole in islice(holes, first, None):
            if hole.start_bytes >= item.end_bytes:
                break
            left.extend(span(at, hole.start_bytes))
            at = max(at, hole.end_bytes)
        left.extend(span(at, item.end_bytes))
    return tuple(left)


def intersect(first: Iterable[Range], second: Iterable[Range]) -> tuple[Range, ...]:
    """Return the bytes that are in both."""
    kept = merge(first)
    return subtract(kept, subtract(kept, second))


def total_bytes(ranges: Iterable[Range]) -> int:
    """Return how many bytes the ranges cover together, each byte once."""
    return sum(item.length_bytes for item in merge(ranges))
