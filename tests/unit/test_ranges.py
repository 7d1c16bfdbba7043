"""Ranges against sets of single bytes, which cannot be wrong."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.ranges import Range, intersect, merge, span, subtract, total_bytes

_RANGES = st.lists(st.builds(Range, st.integers(0, 60), st.integers(1, 20)), max_size=8)


def _bytes_of(ranges: list[Range] | tuple[Range, ...]) -> set[int]:
    return {at for item in ranges for at in range(item.start_bytes, item.end_bytes)}


def _is_tidy(ranges: tuple[Range, ...]) -> bool:
    """Sorted, and neither overlapping nor touching."""
    return all(one.end_bytes < other.start_bytes for one, other in pairwise(ranges))


@given(_RANGES)
def test_merge_keeps_the_bytes_and_tidies(ranges: list[Range]) -> None:
    merged = merge(ranges)
    assert _bytes_of(merged) == _bytes_of(ranges)
    assert _is_tidy(merged)


@given(_RANGES, _RANGES)
def test_subtract_is_set_difference(ranges: list[Range], taken: list[Range]) -> None:
    left = subtract(ranges, taken)
    assert _bytes_of(left) == _bytes_of(ranges) - _bytes_of(taken)
    assert _is_tidy(left)


@given(_RANGES, _RANGES)
def test_intersect_is_set_intersection(first: list[Range], second: list[Range]) -> None:
    both = intersect(first, second)
    assert _bytes_of(both) == _bytes_of(first) & _bytes_of(second)
    assert _is_tidy(both)


@given(_RANGES)
def test_total_counts_each_byte_once(ranges: list[Range]) -> None:
    assert total_bytes(ranges) == len(_bytes_of(ranges))


def test_many_ranges_are_subtracted_in_one_go() -> None:
    odd = [Range(at, 1) for at in range(1, 200_000, 2)]
    assert total_bytes(subtract([Range(0, 200_000)], odd)) == 100_000


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, 0), (5, -1)])
def test_what_holds_nothing_is_no_range(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="not a range"):
        Range(start, length)


def test_span_takes_ends_and_may_be_empty() -> None:
    assert span(3, 8) == (Range(3, 5),)
    assert span(3, 3) == span(8, 3) == ()


def test_a_range_reads_with_its_last_byte() -> None:
    assert str(Range(512, 512)) == "bytes 512-1023"
