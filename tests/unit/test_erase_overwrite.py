"""Overwriting and reading back, on media in memory."""

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.erase.keystream import BLOCK_BYTES, PatternSource, RandomSource, Source
from shredder.erase.medium import Medium
from shredder.erase.overwrite import Overwritten, overwrite
from shredder.erase.transfer import StopFlag
from shredder.erase.verify import Compared, compare
from shredder.ranges import Range, span, subtract, total_bytes
from tests.support.media import FaultyMedium, MemoryMedium

_KEY = b"0123456789abcdef"


def _overwrite(
    medium: Medium, source: Source, stop: StopFlag | None = None, failed: list[Range] | None = None
) -> Overwritten:
    seen = failed if failed is not None else []
    return overwrite(
        medium,
        source,
        threads=4,
        stop=stop or StopFlag(),
        tick=lambda done, errors: None,
        failed=lambda ranges, error: seen.extend(ranges),
    )


def _compare(medium: Medium, source: Source, ranges: tuple[Range, ...] | None = None) -> Compared:
    asked = span(0, medium.size_bytes) if ranges is None else ranges
    return compare(medium, source, asked, threads=4, stop=StopFlag(), tick=lambda done, errors: None)


def _is_as_it_should_be(medium: MemoryMedium, source: Source) -> bool:
    content = memoryview(medium.content)
    return all(
        source.matches(at, content[at : at + BLOCK_BYTES], bytearray(BLOCK_BYTES))
        for at in range(0, medium.size_bytes, BLOCK_BYTES)
    )


@pytest.mark.parametrize("size", [1, 511, 512, 4096, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES + 1537])
@pytest.mark.parametrize(
    "source", [RandomSource(_KEY), PatternSource(b"\x00"), PatternSource(b"\x6d\xb6\xdb")]
)
def test_every_byte_is_written_and_verified(size: int, source: Source) -> None:
    medium = MemoryMedium(size)
    done = _overwrite(medium, source)
    assert done == Overwritten(span(0, size), (), 0, None, None, stopped=False)
    assert medium.flushes == 1
    assert _is_as_it_should_be(medium, source)
    assert _compare(medium, source) == Compared(size, (), (), 0, None, stopped=False)


@settings(max_examples=30)
@given(
    sectors=st.integers(1, 5000),
    bad=st.sets(st.integers(0, 4999), max_size=40),
    sector_bytes=st.sampled_from([512, 4096]),
)
def test_unwritable_sectors_are_listed_exactly(sectors: int, bad: set[int], sector_bytes: int) -> None:
    inner = MemoryMedium(sectors * sector_bytes, sector_bytes)
    reported: list[Range] = []
    source = RandomSource(_KEY)
    done = _overwrite(FaultyMedium(inner, unwritable=bad), source, failed=reported)
    expected = subtract(
        span(0, inner.size_bytes),
        subtract(
            span(0, inner.size_bytes), [Range(n * sector_bytes, sector_bytes) for n in bad if n < sectors]
        ),
    )
    assert done.unwritten == expected
    assert subtract(expected, reported) == ()
    assert total_bytes(done.written) + total_bytes(done.unwritten) == inner.size_bytes
    # what is said to be written is there, and what is not was left alone
    assert _compare(inner, source, done.written).mismatches == ()
    for item in expected:
        assert set(inner.content[item.start_bytes : item.end_bytes]) == {0xA5}


def test_a_failed_flush_is_final() -> None:
    medium = FaultyMedium(MemoryMedium(4096), flush_error=errno.EIO)
    assert _overwrite(medium, RandomSource(_KEY)).flush_error == "EIO: Input/output error"


def test_a_device_that_is_gone_ends_the_pass_at_once() -> None:
    size = 8 * BLOCK_BYTES
    medium = FaultyMedium(MemoryMedium(size), unwritable=range(size // 512), code=errno.ENODEV)
    done = _overwrite(medium, RandomSource(_KEY))
    assert done.gave_up is not None
    assert done.written == ()
    assert done.unwritten == span(0, size)
    assert done.write_errors <= 8


def test_no_space_is_an_error_and_not_the_end_of_the_disk() -> None:
    medium = FaultyMedium(MemoryMedium(BLOCK_BYTES), unwritable=[7], code=errno.ENOSPC)
    assert _overwrite(medium, RandomSource(_KEY)).unwritten == (Range(7 * 512, 512),)


def test_a_stop_ends_at_a_block_boundary_and_says_how_far() -> None:
    stop = StopFlag()

    def stop_at_the_third_block(start_bytes: int) -> None:
        if start_bytes >= 2 * BLOCK_BYTES:
            stop.set()

    inner = MemoryMedium(64 * BLOCK_BYTES)
    source = RandomSource(_KEY)
    done = _overwrite(FaultyMedium(inner, before_write=stop_at_the_third_block), source, stop)
    assert done.stopped
    (written,) = done.written
    assert written.start_bytes == 0
    assert written.length_bytes % BLOCK_BYTES == 0
    assert 3 * BLOCK_BYTES <= written.length_bytes < 64 * BLOCK_BYTES
    assert _compare(inner, source, done.written).mismatches == ()
    assert set(inner.content[written.end_bytes :]) == {0xA5}


def test_a_defect_in_a_thread_is_not_swallowed() -> None:
    def burst(start_bytes: int) -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        _overwrite(FaultyMedium(MemoryMedium(BLOCK_BYTES), before_write=burst), RandomSource(_KEY))


@settings(max_examples=60)
@given(size=st.integers(1, 3 * BLOCK_BYTES), where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found_to_the_sector(size: int, where: float, bit: int) -> None:
    medium, source = MemoryMedium(size), RandomSource(_KEY)
    _overwrite(medium, source)
    at = int(size * where)
    medium.content[at] ^= 1 << bit
    (found,) = _compare(medium, source).mismatches
    assert found.start_bytes == at // 512 * 512
    assert found.end_bytes == min(found.start_bytes + 512, size)


def test_swapped_blocks_are_found() -> None:
    medium, source = MemoryMedium(2 * BLOCK_BYTES), RandomSource(_KEY)
    _overwrite(medium, source)
    medium.content[:] = medium.content[BLOCK_BYTES:] + medium.content[:BLOCK_BYTES]
    assert _compare(medium, source).mismatches == span(0, 2 * BLOCK_BYTES)


def test_a_read_error_is_never_a_pass() -> None:
    inner, source = MemoryMedium(BLOCK_BYTES), RandomSource(_KEY)
    _overwrite(inner, source)
    found = _compare(FaultyMedium(inner, unreadable=[3, 4, 100]), source)
    assert found.unreadable == (Range(3 * 512, 1024), Range(100 * 512, 512))
    assert found.checked_bytes == BLOCK_BYTES - 3 * 512
    assert found.read_errors > 0
