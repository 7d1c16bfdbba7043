"""What sampled verification reads: how much, where, and what it supports."""

import hashlib
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.plan.sampling import draw_independent, draw_samples, mix_seed, sampled_bytes, supported_claims
from shredder.ranges import Range, total_bytes
from tests.unit.test_plan_draws import derive

MIB = 1 << 20
SEED = bytes(32)
SEEDS = st.binary(min_size=32, max_size=32)
SECTORS = st.sampled_from([512, 4096])
# From well above what is read in full up to 20 TB; images may end within a sector.
SIZES = st.integers(100 * MIB, 20 * 10**12)


@settings(max_examples=25)
@given(SIZES, SECTORS, SEEDS)
def test_two_disjoint_places_in_every_subsection(size: int, sector: int, seed: bytes) -> None:
    places = draw_samples(size, sector, seed).stratified
    assert len(places) == 2_000
    whole = size // sector
    for number in range(1_000):
        start, end = number * whole // 1_000 * sector, (number + 1) * whole // 1_000 * sector
        first, second = places[2 * number : 2 * number + 2]
        assert start <= first.start_bytes < first.end_bytes <= second.start_bytes < second.end_bytes <= end
        for place in (first, second):
            assert place.length_bytes * 20 >= end - start
            assert place.length_bytes * 20 < end - start + 20 * sector


@settings(max_examples=25)
@given(SIZES, SECTORS, SEEDS)
def test_coverage_alignment_and_bounds(size: int, sector: int, seed: bytes) -> None:
    samples = draw_samples(size, sector, seed)
    assert not samples.everything
    assert total_bytes(samples.stratified) * 10 >= size // sector * sector
    assert all(place.start_bytes % sector == 0 for place in samples.ranges)
    assert all(place.end_bytes % sector == 0 or place.end_bytes == size for place in samples.ranges)
    assert samples.ranges[-1].end_bytes == size
    parts = (*samples.fixed, *samples.stratified, *samples.independent)
    assert total_bytes(samples.ranges) == total_bytes(parts) <= sampled_bytes(size, sector) < size


@pytest.mark.parametrize("tail", [0, 1, 511])
def test_the_amount_read_is_an_upper_bound_for_odd_ends_too(tail: int) -> None:
    size = 20_000 * 512 * 100 + tail
    samples = draw_samples(size, 512, SEED)
    parts = (*samples.fixed, *samples.stratified)
    assert sum(part.length_bytes for part in parts) + 4_603 * 4096 <= sampled_bytes(size, 512)


@settings(max_examples=25)
@given(SIZES, SECTORS, SEEDS)
def test_the_first_and_last_mib(size: int, sector: int, seed: bytes) -> None:
    first, last = draw_samples(size, sector, seed).fixed
    assert first == Range(0, MIB)
    assert last.end_bytes == size
    assert MIB <= last.length_bytes < MIB + sector


@settings(max_examples=25)
@given(SIZES, SECTORS, SEEDS)
def test_independent_samples_of_4_kib(size: int, sector: int, seed: bytes) -> None:
    places = draw_samples(size, sector, seed).independent
    assert len(places) == 4_603
    assert all(place.start_bytes % 4096 == 0 for place in places)
    assert all(place.length_bytes == min(4096, size - place.start_bytes) for place in places)


@settings(max_examples=10)
@given(SIZES, SECTORS, SEEDS)
def test_a_third_party_derives_the_same_places(size: int, sector: int, seed: bytes) -> None:
    samples = draw_samples(size, sector, seed)
    units = (size + 4095) // 4096
    numbers = derive(seed, "shredder independent samples", [units] * 4_603)
    assert [place.start_bytes for place in samples.independent] == [number * 4096 for number in numbers]

    whole, limits, shapes = size // sector, [], []
    for number in range(1_000):
        start = number * whole // 1_000
        length = (number + 1) * whole // 1_000 - start
        place = math.ceil(length / 20)
        limits += [length - 2 * place + 2, length - 2 * place + 1]
        shapes.append((start, place))
    drawn = derive(seed, "shredder stratified samples", limits)
    expected = []
    for (start, place), x, y in zip(shapes, drawn[::2], drawn[1::2], strict=True):
        other = y + 1 if y >= x else y
        expected += [start + min(x, other), start + max(x, other) - 1 + place]
    assert [item.start_bytes // sector for item in samples.stratified] == expected


def test_samples_are_the_same_for_the_same_seed_only() -> None:
    assert draw_samples(10**9, 512, SEED) == draw_samples(10**9, 512, SEED)
    assert draw_samples(10**9, 512, SEED) != draw_samples(10**9, 512, bytes([1]) * 32)


@given(st.integers(1, 20 * MIB), SECTORS, SEEDS)
def test_a_small_medium_is_read_in_full(size: int, sector: int, seed: bytes) -> None:
    samples = draw_samples(size, sector, seed)
    assert samples.everything
    assert samples.ranges == (Range(0, size),)
    assert samples.independent == ()


@settings(max_examples=40)
@given(st.integers(15 * MIB, 100 * MIB), SECTORS, SEEDS)
def test_the_border_between_everything_and_samples(size: int, sector: int, seed: bytes) -> None:
    samples = draw_samples(size, sector, seed)
    assert samples.everything == (sampled_bytes(size, sector) == size)
    assert samples.ranges[0].start_bytes == 0
    assert samples.ranges[-1].end_bytes == size
    assert samples.everything or len(samples.independent) == 4_603


@given(st.integers(1, 10**12), st.sampled_from([512, 4096, 8192]), st.integers(0, 50))
def test_independent_draws_for_an_audit(size: int, sector: int, count: int) -> None:
    unit = max(4096, sector)
    places = draw_independent(size, sector, SEED, count)
    assert len(places) == count
    assert all(place.start_bytes % unit == 0 and place.end_bytes <= size for place in places)
    assert all(place.length_bytes == unit or place.end_bytes == size for place in places)


def test_every_unit_is_drawn_as_often_the_short_last_one_too() -> None:
    counts = Counter(place.start_bytes for place in draw_independent(10 * 4096 - 512, 512, SEED, 10_000))
    assert counts.keys() == {number * 4096 for number in range(10)}
    assert all(820 < times < 1_180 for times in counts.values())  # six standard deviations


def test_every_placement_in_a_subsection_is_as_likely() -> None:
    # 24 sectors, places of 2: 231 placements; 200 media of 1,000 subsections draw each about 866 times.
    counts: Counter[tuple[int, int]] = Counter()
    for number in range(200):
        places = draw_samples(24_000 * 4096, 4096, number.to_bytes(4, "big")).stratified
        starts = [place.start_bytes // 4096 % 24 for place in places]
        counts.update(zip(starts[::2], starts[1::2], strict=True))
    assert len(counts) == 231
    assert all(abs(times - 866) < 6 * 29.5 for times in counts.values())


def test_the_mixed_seed_is_the_documented_digest() -> None:
    text = b"shredder sampling seed" + (2).to_bytes(8, "big") + b"\x01\x02" + b"\xab\xcd"
    assert mix_seed(b"\x01\x02", "abcd") == hashlib.sha256(text).digest()
    assert mix_seed(b"\x01\x02\xab", "cd") != mix_seed(b"\x01\x02", "abcd")
    assert len({mix_seed(SEED, ""), mix_seed(SEED, "00"), mix_seed(SEED, "0000")}) == 3


@pytest.mark.parametrize(("samples", "claim"), [(2_995, ("95", "0.1")), (4_603, ("99", "0.1"))])
def test_claims_of_the_published_sample_sizes(samples: int, claim: tuple[str, str]) -> None:
    assert claim in supported_claims(samples)
    assert claim not in supported_claims(samples - 1)


def test_claims_for_6905_samples() -> None:
    assert ("99.9", "0.1") in supported_claims(6_905)
    assert ("99.9", "0.1") not in supported_claims(6_904)


def test_no_samples_support_nothing() -> None:
    assert supported_claims(0) == ()


@given(st.integers(1, 10**7))
def test_claims_are_supported_and_no_weaker_than_need_be(samples: int) -> None:
    for confidence, fraction in supported_claims(samples):
        doubt = 1 - float(confidence) / 100
        share = float(fraction) / 100
        assert share < 1
        assert (1 - share) ** samples <= doubt * 1.000_001
        assert share <= 0.000_001 or (1 - share + 0.000_001) ** samples >= doubt * 0.999_999
