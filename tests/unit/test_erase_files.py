"""What shredding files rests on, without files: the list of unfinished ones, the rate, grades, chunks."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.discover.btrfs_chunks import Chunk, ChunkMap
from shredder.erase.grading import grade, join
from shredder.erase.keystream import PatternSource, RandomSource
from shredder.erase.names import draw_name
from shredder.erase.pace import WINDOW_BYTES, Pace, PacedWindow
from shredder.erase.unfinished import Entry, Unfinished
from shredder.errors import RefusedError, UsageError
from shredder.log_model import After, Extent, ExtentMark, Grade, Placement, ReadBack, worst
from shredder.model import Unavailable

KIB = 1024


def entry(name: str, inode: int = 7) -> Entry:
    return Entry(
        path=f"/l/{name}",
        folder="/l",
        name=name,
        new_name="x" * len(name),
        device="8:1",
        file_system="1f",
        inode=inode,
        born_ns=5,
        size_bytes=100,
        mtime_ns=None,
        after=After.UNLINK,
    )


def test_what_was_begun_is_there_after_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    one, two, three = entry("one"), entry("tw\udcff", 8), entry("three", 9)
    with closing(Unfinished(path)) as unfinished:
        unfinished.begin([one, two, three])
        unfinished.renamed([one])
        unfinished.finish([three])
    with closing(Unfinished(path)) as again:
        assert set(again.entries) == {one, two}
        assert (again.is_renamed(one), again.is_renamed(two)) == (True, False)
        again.begin([one])
        assert not again.is_renamed(one), "begun anew, under its old name"
        again.finish([one, two])
    assert path.read_bytes() == b""


def test_a_line_that_was_cut_off_belongs_to_a_step_that_had_not_begun(tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    with closing(Unfinished(path)) as unfinished:
        unfinished.begin([entry("one")])
        before = path.read_bytes()
        unfinished.begin([entry("two")])
    whole = path.read_bytes()
    for length in range(len(before), len(whole)):
        path.write_bytes(whole[:length])
        with closing(Unfinished(path)) as again:
            assert again.entries == (entry("one"),)
        with closing(Unfinished(path)) as again:
            assert again.entries == (entry("one"),)


@pytest.mark.parametrize(
    "line",
    [b"rubbish", b"[]", b'["begin", [[1, 2]]]', b'["begin", 5]', b'{"begin": []}', b'["x", []]'],
)
def test_another_file_is_not_taken_for_the_list(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    path.write_bytes(line + b"\n")
    with pytest.raises(UsageError, match="line 1 is not of a list"):
        Unfinished(path)
    assert path.read_bytes() == line + b"\n"


def test_the_list_is_one_runs_own_and_no_link(tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    with closing(Unfinished(path)), pytest.raises(RefusedError, match="another run holds"):
        Unfinished(path)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(RefusedError, match="cannot be used"):
        Unfinished(tmp_path / "link")


def test_lines_are_json(tmp_path: Path) -> None:
    path = tmp_path / "unfinished"
    with closing(Unfinished(path)) as unfinished:
        unfinished.begin([entry("one")])
    assert [json.loads(line)[0] for line in path.read_bytes().splitlines()] == ["begin"]


@given(st.lists(st.integers(1, 1 << 20), min_size=1, max_size=50))
def test_the_rate_is_never_exceeded_by_more_than_the_credit(sizes: list[int]) -> None:
    clock = Clock()
    pace = Pace(1 << 20, clock.now, clock.sleep)
    for size in sizes:
        pace.take(size)
    allowed_s = (sum(sizes) - sizes[-1]) / (1 << 20)
    assert allowed_s - 0.11 <= clock.at_s <= allowed_s + 0.001


class Clock:
    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> float:
        return self.at_s

    def sleep(self, seconds: float) -> None:
        self.at_s += seconds


@pytest.mark.parametrize("source", [RandomSource(bytes(16)), PatternSource(b"\x92\x49\x24")])
def test_each_file_has_its_own_part_of_the_stream(source: RandomSource | PatternSource) -> None:
    pace = Pace(None)
    start = 1000 * WINDOW_BYTES
    window = PacedWindow(source, start, pace)
    scratch = memoryview(bytearray(1 << 20))
    first = bytes(window.fill(0, 4096, scratch))
    assert first == bytes(source.fill(start, 4096, scratch))
    assert window.matches(0, memoryview(first), bytearray(1 << 20))
    assert not window.matches(4096, memoryview(first), bytearray(1 << 20)) or isinstance(
        source, PatternSource
    )


def place(*extents: Extent, expected: Grade = Grade.PROVEN, reason: str = "") -> Placement:
    return Placement("ext4", 4096, 4096, extents, False, (), (), expected, reason)


ONE = Extent(0, 8192, 8192, ())


def test_only_what_stayed_and_was_read_raw_is_proven() -> None:
    cut = (Extent(0, 8192, 4096, (ExtentMark.UNWRITTEN,)), Extent(4096, 12288, 4096, ()))
    assert grade(place(ONE), place(*cut), ReadBack.RAW).grade is Grade.PROVEN
    assert grade(place(ONE), place(ONE), ReadBack.FILE).grade is Grade.IN_PLACE
    assert grade(place(ONE), place(ONE), ReadBack.NONE).reason == "nothing was read back"
    for moved in (Extent(0, 4096, 8192, ()), Extent(0, 8192, 4096, ())):
        assert grade(place(ONE), place(moved), ReadBack.RAW).grade is Grade.MOVED


@given(*[st.sampled_from(Grade)] * 2, st.sampled_from(ReadBack), st.booleans())
def test_a_grade_is_never_better_than_what_was_predicted_or_seen(
    before: Grade, after: Grade, read_back: ReadBack, stays: bool
) -> None:
    second = ONE if stays else Extent(0, 0, 8192, ())
    found = grade(
        place(ONE, expected=before, reason="b"), place(second, expected=after, reason="a"), read_back
    ).grade
    assert worst((found, before, after)) is found
    if found is Grade.PROVEN:
        assert (read_back, stays) == (ReadBack.RAW, True)


def test_the_worst_of_none_is_proven() -> None:
    assert worst(()) is Grade.PROVEN
    assert list(Grade) == ["proven", "in-place", "moved", "unprovable"]


def test_joined_extents_say_where_every_byte_lies() -> None:
    extents = [
        Extent(0, 100, 10, ()),
        Extent(10, 110, 10, ()),
        Extent(20, 500, 10, ()),
        Extent(40, 520, 5, ()),
    ]
    assert join(extents) == ((0, 100, 20), (20, 500, 10), (40, 520, 5))


@given(st.text(min_size=1, max_size=60))
def test_a_random_name_has_the_same_length_in_bytes(name: str) -> None:
    drawn = draw_name(name.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape"))
    assert len(drawn) == len(name.encode("utf-8", "surrogatepass"))
    assert drawn.isalnum()


def raid0() -> ChunkMap:
    stripes = (("a", 1000 * KIB), ("b", 5000 * KIB))
    return ChunkMap((Chunk(1 << 20, 1 << 20, 64 * KIB, 1 << 3, 1, stripes),))


def bytes_of(found: list[tuple[int, int, str, int, int]] | None) -> Iterator[tuple[int, str, int]]:
    """Yield (offset in the range, device, place) of every 4 KiB."""
    for _, at, device, start, length in found or ():
        yield from ((at + step, device, start + step) for step in range(0, length, 4 * KIB))


def test_striped_chunks() -> None:
    found = raid0().translate((1 << 20) + 60 * KIB, 72 * KIB)
    assert found == [
        (0, 0, "a", 1060 * KIB, 4 * KIB),
        (0, 4 * KIB, "b", 5000 * KIB, 64 * KIB),
        (0, 68 * KIB, "a", 1064 * KIB, 4 * KIB),
    ]


@given(st.integers(0, 255), st.integers(1, 255))
def test_a_range_lies_where_its_parts_lie(first: int, count: int) -> None:
    chunks = raid0()
    start = (1 << 20) + first * 4 * KIB
    length = min(count * 4 * KIB, (2 << 20) - start)
    whole = sorted(bytes_of(chunks.translate(start, length)))
    parts = [
        (at, device, place)
        for at in range(0, length, 4 * KIB)
        for _, device, place in bytes_of(chunks.translate(start + at, 4 * KIB))
    ]
    assert whole == parts
    assert len({(device, place) for _, device, place in whole}) == length // (4 * KIB)


def test_copies_parity_and_nowhere() -> None:
    two = (("a", 0), ("b", 1 << 20))
    mirror = ChunkMap((Chunk(0, 1 << 20, 64 * KIB, 1 << 4, 2, two),))
    assert mirror.translate(4096, 8192) == [(0, 0, "a", 4096, 8192), (1, 0, "b", (1 << 20) + 4096, 8192)]
    ten = ChunkMap((Chunk(0, 1 << 20, 64 * KIB, 1 << 6, 2, (*two, ("c", 0), ("d", 0))),))
    assert ten.translate(64 * KIB, 4096) == [(0, 0, "c", 0, 4096), (1, 0, "d", 0, 4096)]
    assert ChunkMap((Chunk(0, 1 << 20, 64 * KIB, 1 << 7, 2, two),)).translate(0, 4096) is None
    assert mirror.translate((1 << 20) - 4096, 8192) is None
    assert ChunkMap(()).translate(0, 4096) is None


def test_a_reason_is_kept_where_no_raw_place_is() -> None:
    nowhere = Placement("ext4", 1, 4096, (ONE,), False, Unavailable("dm"), (), Grade.IN_PLACE, "dm")
    assert grade(nowhere, nowhere, ReadBack.FILE).reason == "dm"
