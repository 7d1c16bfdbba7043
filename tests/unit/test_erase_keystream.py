"""What a pass writes."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from shredder.erase.keystream import (
    BLOCK_BYTES,
    PatternSource,
    RandomSource,
    Source,
    aligned_buffer,
    derive_key,
)

_KEY = bytes(range(16))


def _fill(source: Source, start: int, length: int) -> bytes:
    return bytes(source.fill(start, length, aligned_buffer(BLOCK_BYTES)))


def test_key_stream_is_nist_ctr() -> None:
    # NIST SP 800-38A, F.5.1, with the counter block taken as an offset: E(K, counter) for two blocks
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    offset = int.from_bytes(bytes.fromhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), "big") * 16
    expected = bytes.fromhex("ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae")
    assert _fill(RandomSource(key), offset, 32) == expected


def test_every_byte_has_an_address() -> None:
    whole = Cipher(algorithms.AES(_KEY), modes.CTR(bytes(16))).encryptor().update(bytes(3 * BLOCK_BYTES))
    source = RandomSource(_KEY)
    for start, length in (
        (0, BLOCK_BYTES),
        (BLOCK_BYTES, 512),
        (16, 4096),
        (2 * BLOCK_BYTES + 512, 5),
        (48, 700_001),
    ):
        assert _fill(source, start, length) == whole[start : start + length]


@given(
    pattern=st.binary(min_size=1, max_size=3),
    start_sector=st.integers(0, 5000),
    length=st.integers(1, 70_000),
)
def test_patterns_are_in_phase_everywhere(pattern: bytes, start_sector: int, length: int) -> None:
    start = start_sector * 512
    expected = bytes(pattern[(start + at) % len(pattern)] for at in range(length))
    assert _fill(PatternSource(pattern), start, length) == expected


@pytest.mark.parametrize(
    "source", [RandomSource(_KEY), PatternSource(b"\x92\x49\x24"), PatternSource(b"\x00")]
)
@pytest.mark.parametrize("length", [1, 511, 512, 4096, 65_536, BLOCK_BYTES])
def test_a_changed_bit_anywhere_does_not_match(source: Source, length: int) -> None:
    start = BLOCK_BYTES + 4096
    data = bytearray(_fill(source, start, length))
    assert source.matches(start, memoryview(data), bytearray(BLOCK_BYTES))
    for at in {0, length // 2, length - 1}:
        data[at] ^= 1
        assert not source.matches(start, memoryview(data), bytearray(BLOCK_BYTES))
        data[at] ^= 1


def test_data_from_another_address_does_not_match() -> None:
    source = RandomSource(_KEY)
    data = memoryview(bytearray(_fill(source, 4096, 4096)))
    assert not source.matches(8192, data, bytearray(BLOCK_BYTES))


def test_keys_differ_by_everything_they_derive_from() -> None:
    one = derive_key(b"s" * 32, "run", b"n" * 16, 1)
    others = {
        derive_key(b"t" * 32, "run", b"n" * 16, 1),
        derive_key(b"s" * 32, "run2", b"n" * 16, 1),
        derive_key(b"s" * 32, "run", b"m" * 16, 1),
        derive_key(b"s" * 32, "run", b"n" * 16, 2),
    }
    assert len(others) == 4
    assert one not in others
    assert len(one) == 16
