"""Numbers that look random and follow from a seed, so that anyone can derive them again.

Block i (from 0) is HMAC-SHA256 with the seed as key over the label in ASCII followed by i as 8 bytes,
big-endian. Each block is read as four words of 8 bytes, big-endian, in order. A number below n is
the next word w as w mod n; words of 2^64 - (2^64 mod n) and more are dropped, so that no number is
likelier than another.
"""

import hmac
import struct
from collections.abc import Iterator, MutableSequence
from itertools import count
from typing import Any

_WORDS_END = 1 << 64


def _words(seed: bytes, label: bytes) -> Iterator[int]:
    for number in count():
        block = hmac.digest(seed, label + number.to_bytes(8, "big"), "sha256")
        yield from struct.unpack(">4Q", block)


class Draws:
    """One series of numbers.

    Args:
        seed: the key; whoever has it has every number.
        label: keeps series of one seed apart.
    """

    def __init__(self, seed: bytes, label: str) -> None:
        self._next_word = _words(seed, label.encode("ascii")).__next__

    def below(self, limit: int) -> int:
        """Return the next number from 0 to `limit` - 1, for 1 <= limit <= 2^64."""
        fair_end = _WORDS_END - _WORDS_END % limit
        word = self._next_word()
        while word >= fair_end:
            word = self._next_word()
        return word % limit

    def shuffle(self, items: MutableSequence[Any]) -> None:
        """Reorder in place, every order equally likely (Fisher-Yates, from the last place down)."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
