"""The series of numbers, against a second derivation that follows the written rule word by word."""

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from shredder.plan.draws import Draws


def derive(seed: bytes, label: str, limits: list[int]) -> list[int]:
    found: list[int] = []
    position = 0
    while len(found) < len(limits):
        block = hmac.new(seed, label.encode() + (position // 4).to_bytes(8, "big"), hashlib.sha256).digest()
        word = int.from_bytes(block[position % 4 * 8 :][:8], "big")
        position += 1
        limit = limits[len(found)]
        if word < 2**64 // limit * limit:
            found.append(word % limit)
    return found


@given(st.binary(), st.lists(st.integers(1, 2**64), max_size=40))
def test_the_written_rule(seed: bytes, limits: list[int]) -> None:
    draws = Draws(seed, "label")
    assert [draws.below(limit) for limit in limits] == derive(seed, "label", limits)


def test_words_that_would_favour_small_numbers_are_dropped() -> None:
    limit = 2**63 + 1  # nearly half of all words are too large
    limits = [limit] * 100
    draws = Draws(b"seed", "label")
    found = [draws.below(limit) for _ in limits]
    assert found == derive(b"seed", "label", limits)
    assert sum(number > limit // 2 for number in found) in range(30, 71)


@given(st.binary(), st.lists(st.integers()))
def test_shuffling_keeps_what_is_there(seed: bytes, items: list[int]) -> None:
    shuffled = list(items)
    Draws(seed, "label").shuffle(shuffled)
    assert sorted(shuffled) == sorted(items)


def test_every_order_of_three_is_as_likely() -> None:
    counts: dict[str, int] = {}
    for number in range(6_000):
        items = list("abc")
        Draws(number.to_bytes(4, "big"), "label").shuffle(items)
        order = "".join(items)
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(820 < times < 1_180 for times in counts.values())  # six standard deviations


def test_labels_keep_series_apart() -> None:
    one, other = Draws(b"seed", "one"), Draws(b"seed", "other")
    assert [one.below(2**64) for _ in range(4)] != [other.below(2**64) for _ in range(4)]
