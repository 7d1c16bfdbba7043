"""The passes of every method, against a table written from the published descriptions alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.errors import UsageError
from shredder.model import Pass, PassKind
from shredder.plan.methods import METHODS, build_passes

SEEDS = st.binary(min_size=32, max_size=32)
SEED = bytes(range(32))

FIXED = {
    "random": "random",
    "zero": "00",
    "is5-baseline": "00",
    "is5-enhanced": "00 ff random",
    "vsitr": "00 ff 00 ff 00 ff aa",
    "ops-ii": "00 ff 00 ff 00 ff random",
    "schneier": "ff 00 random random random random random",
    "bmb21-2019": "ff 00 random random random ff",
}

GUTMANN_PATTERNS = (
    *("55", "aa", "924924", "492492", "249249"),
    *("00", "11", "22", "33", "44", "55", "66", "77", "88", "99", "aa", "bb", "cc", "dd", "ee", "ff"),
    *("924924", "492492", "249249", "6db6db", "b6db6d", "db6db6"),
)


def words(passes: tuple[Pass, ...]) -> list[str]:
    return ["random" if item.kind is PassKind.RANDOM else item.pattern_hex for item in passes]


def inverse(word: str) -> str:
    return f"{0xFF - int(word, 16):02x}"


def test_the_table_has_every_method_in_order() -> None:
    assert list(METHODS) == [
        "random",
        "zero",
        "dod-short",
        "dod-ece",
        "is5-baseline",
        "is5-enhanced",
        "vsitr",
        "ops-ii",
        "itsg-06",
        "schneier",
        "gutmann",
        "bmb21-2019",
    ]
    assert all(method.name == name and method.title and method.source for name, method in METHODS.items())


@pytest.mark.parametrize("name", FIXED)
@given(seed=SEEDS)
def test_methods_without_choice(name: str, seed: bytes) -> None:
    assert words(build_passes(name, None, seed)) == FIXED[name].split()


@pytest.mark.parametrize("name", ["dod-short", "itsg-06"])
@given(seed=SEEDS)
def test_a_byte_then_its_complement_then_random(name: str, seed: bytes) -> None:
    first, second, third = words(build_passes(name, None, seed))
    assert (second, third) == (inverse(first), "random")
    assert first not in ("00", "ff")


@given(seed=SEEDS)
def test_dod_ece_repeats_no_constant(seed: bytes) -> None:
    c, not_c, third, c2, c3, not_c3, last = words(build_passes("dod-ece", None, seed))
    assert (not_c, not_c3) == (inverse(c), inverse(c3))
    assert (third, last) == ("random", "random")
    assert len({c, not_c, c2, inverse(c2), c3, not_c3, "00", "ff"}) == 8


@given(seed=SEEDS)
def test_gutmann(seed: bytes) -> None:
    passes = words(build_passes("gutmann", None, seed))
    assert len(passes) == 35
    assert passes[:4] == passes[31:] == ["random"] * 4
    assert Counter(passes[4:31]) == Counter(GUTMANN_PATTERNS)


def test_gutmanns_order_depends_on_the_seed_alone() -> None:
    orders = {tuple(build_passes("gutmann", None, bytes([number]))) for number in range(50)}
    assert len(orders) == 50
    assert build_passes("gutmann", None, SEED) == build_passes("gutmann", None, SEED)


def test_every_place_of_gutmanns_order_is_as_likely_for_every_pattern() -> None:
    rounds = 2_700
    first = Counter(
        words(build_passes("gutmann", None, number.to_bytes(4, "big")))[4] for number in range(rounds)
    )
    last = Counter(
        words(build_passes("gutmann", None, number.to_bytes(4, "big")))[30] for number in range(rounds)
    )
    for pattern, times in Counter(GUTMANN_PATTERNS).items():
        # Expected 100 (200 for the doubled ones), standard deviation 10: six of them are never chance.
        assert abs(first[pattern] - 100 * times) < 60 * times
        assert abs(last[pattern] - 100 * times) < 60 * times


def test_constants_take_every_value_but_zeros_and_ones() -> None:
    found = {words(build_passes("dod-short", None, number.to_bytes(4, "big")))[0] for number in range(5_000)}
    assert found == {f"{value:02x}" for value in range(1, 255)}


@given(count=st.integers(1, 99), seed=SEEDS)
def test_random_as_often_as_asked_for(count: int, seed: bytes) -> None:
    assert words(build_passes("random", count, seed)) == ["random"] * count


@pytest.mark.parametrize("count", [0, -1, 100])
def test_a_count_out_of_bounds(count: int) -> None:
    with pytest.raises(UsageError, match="from 1 to 99"):
        build_passes("random", count, SEED)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "random"])
def test_a_count_only_with_random(name: str) -> None:
    with pytest.raises(UsageError, match="fixed number of passes"):
        build_passes(name, 3, SEED)


def test_an_unknown_method_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match='no method "dd"') as caught:
        build_passes("dd", None, SEED)
    assert caught.value.hint is not None
    assert all(name in caught.value.hint for name in METHODS)


def test_where_verification_belongs_to_the_method() -> None:
    required = {name for name, method in METHODS.items() if method.verification_required}
    assert required == {"is5-baseline", "is5-enhanced"}
