"""Which places sampled verification reads.

Three sets, after the withdrawn NIST SP 800-88 Rev. 1, section 4.7, and beyond it: the first and last MiB
(the places of partition tables: MBR, GPT and its backup); two places in each of 1,000 subsections; and
4,603 samples of 4 KiB drawn independently, which carry the statement of confidence (long runs do not).

All of it follows from the seed, so that a third party can derive the places again. With N the number of
whole logical sectors of the medium and draws as in draws.py:

- stratified, label "shredder stratified samples": subsection i (0 to 999) is the sectors from
  floor(i N / 1000) up to floor((i + 1) N / 1000). With n its length, each place is L = ceil(n / 20) sectors
  long. Let f = n - 2 L; draw x below f + 2, then y below f + 1, and add 1 to y when y >= x. The places begin
  at min(x, y) and max(x, y) - 1 + L, counted from the subsection's first sector.
- independent, label "shredder independent samples": with u = max(4096, sector size) bytes, the medium is
  ceil(size / u) units; each sample is the unit of the number drawn, cut off at the end of the medium. The
  same unit may be drawn twice.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from shredder.plan.draws import Draws
from shredder.ranges import Range, merge, span
from shredder.units import MIB

SUBSECTIONS = 1_000
INDEPENDENT_SAMPLES = 4_603
SAMPLE_BYTES = 4_096
_EDGE_BYTES = MIB
_PLACE_DIVISOR = 20
_CONFIDENCES = (("95", Fraction(5, 100)), ("99", Fraction(1, 100)), ("99.9", Fraction(1, 1_000)))
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Samples:
    """The places to read. `everything`: the medium is too small for samples, `fixed` is all of it."""

    fixed: tuple[Range, ...]
    stratified: tuple[Range, ...]
    independent: tuple[Range, ...]
    everything: bool

    @property
    def ranges(self) -> tuple[Range, ...]:
        """All places, sorted and merged: what is read."""
        return merge((*self.fixed, *self.stratified, *self.independent))


def sampled_bytes(size_bytes: int, sector_bytes: int) -> int:
    """Return how much sampled verification reads at most; the whole size when that is no less."""
    sectors = size_bytes // sector_bytes
    if sectors < SUBSECTIONS * _PLACE_DIVISOR:
        return size_bytes
    longest = -(-sectors // SUBSECTIONS)
    stratified = 2 * SUBSECTIONS * -(-longest // _PLACE_DIVISOR) * sector_bytes
    independent = INDEPENDENT_SAMPLES * _unit_bytes(sector_bytes)
    return min(size_bytes, 2 * _EDGE_BYTES + sector_bytes + stratified + independent)


def draw_samples(size_bytes: int, sector_bytes: int, seed: bytes) -> Samples:
    """Draw the places of a medium.

    Args:
        size_bytes: its size; an image's may end within a sector.
        sector_bytes: its logical sector size.
        seed: from `mix_seed`, drawn after the last write.
    """
    if sampled_bytes(size_bytes, sector_bytes) >= size_bytes:
        return Samples(span(0, size_bytes), (), (), everything=True)
    last_start = (size_bytes - _EDGE_BYTES) // sector_bytes * sector_bytes
    return Samples(
        fixed=(Range(0, _EDGE_BYTES), Range(last_start, size_bytes - last_start)),
        stratified=tuple(_draw_stratified(size_bytes // sector_bytes, sector_bytes, seed)),
        independent=draw_independent(size_bytes, sector_bytes, seed, INDEPENDENT_SAMPLES),
        everything=False,
    )


def _draw_stratified(sectors: int, sector_bytes: int, seed: bytes) -> Iterator[Range]:
    draws = Draws(seed, "shredder stratified samples")
    for number in range(SUBSECTIONS):
        first = number * sectors // SUBSECTIONS
        length = (number + 1) * sectors // SUBSECTIONS - first
        place = -(-length // _PLACE_DIVISOR)
        free = length - 2 * place
        low, high = draws.below(free + 2), draws.below(free + 1)
        if high >= low:
            high += 1
        else:
            low, high = high, low
        for start in (low, high - 1 + place):
            yield Range((first + start) * sector_bytes, place * sector_bytes)


def draw_independent(size_bytes: int, sector_bytes: int, seed: bytes, count: int) -> tuple[Range, ...]:
    """Draw `count` units of 4 KiB (or one sector, where that is larger), each equally likely every time.

    Args:
        size_bytes: the medium's size, not 0.
        sector_bytes: its logical sector size.
        seed: see `mix_seed`.
        count: how many; units drawn twice count twice.
    """
    unit = _unit_bytes(sector_bytes)
    draws = Draws(seed, "shredder independent samples")
    units = -(-size_bytes // unit)
    starts = (draws.below(units) * unit for _ in range(count))
    return tuple(Range(start, min(unit, size_bytes - start)) for start in starts)


def _unit_bytes(sector_bytes: int) -> int:
    return max(SAMPLE_BYTES, sector_bytes)


def mix_seed(drawn: bytes, nonce_hex: str) -> bytes:
    """Return the seed of the samples: neither who draws nor the auditor decides alone.

    It is SHA-256 over "shredder sampling seed" in ASCII, the length of `drawn` as 8 bytes, big-endian,
    `drawn`, and the nonce's bytes.

    Args:
        drawn: random bytes drawn after the last write.
        nonce_hex: the auditor's nonce in hex, empty when there is none.
    """
    parts = (b"shredder sampling seed", len(drawn).to_bytes(8, "big"), drawn, bytes.fromhex(nonce_hex))
    return hashlib.sha256(b"".join(parts)).digest()


def supported_claims(independent: int) -> tuple[tuple[str, str], ...]:
    """Return what n independent samples without a mismatch support, as percentages in text.

    Each pair (confidence, fraction) means: with this confidence at most this fraction of the medium is not
    as verified, since n >= ln(1 - c) / ln(1 - p). Fractions are rounded up to a millionth.

    Args:
        independent: n; 0 supports nothing.
    """
    if not independent:
        return ()
    return tuple((name, _percent(_parts_per_million(independent, doubt))) for name, doubt in _CONFIDENCES)


def _parts_per_million(samples: int, doubt: Fraction) -> int:
    return math.ceil(-math.expm1(math.log(doubt) / samples) * _MILLION)


def _percent(parts_per_million: int) -> str:
    whole, rest = divmod(parts_per_million, _MILLION // 100)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")
