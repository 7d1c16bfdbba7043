"""What a pass writes: a key stream in which every byte has an address, or a repeated pattern.

A random pass is the AES-128-CTR key stream (NIST SP 800-38A, 6.5) of its own key: the block at
byte offset o (a multiple of 16) is enciphered zeros with the initial counter o / 16. So any
sector can be made again from the key, and `openssl enc -aes-128-ctr` makes the same bytes.
"""

import mmap
import threading
from typing import Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shredder.model import Pass, PassKind
from shredder.units import MIB

KEY_BYTES = 16
BLOCK_BYTES = MIB

_CIPHER_BLOCK_BYTES = 16
_ZEROS = memoryview(bytes(BLOCK_BYTES))


def derive_key(secret: bytes, run_id: str, nonce: bytes, number: int) -> bytes:
    """Return the 16-byte key of one pass on one device: HKDF-SHA256 (RFC 5869).

    Args:
        secret: the run's secret, 32 bytes.
        run_id: the run.
        nonce: the device's recorded nonce, 16 bytes.
        number: the pass, from 1.
    """
    info = f"shredder stream v1|{run_id}|{number}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=nonce, info=info).derive(secret)


def aligned_buffer(size_bytes: int) -> memoryview:
    """Return zeroed memory that starts at a page, as direct I/O asks for."""
    return memoryview(
        mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
    )


class Source(Protocol):
    """What belongs at every offset of a medium during one pass; safe to use from several threads."""

    def fill(self, start_bytes: int, length_bytes: int, scratch: memoryview) -> memoryview:
        """Return the bytes for a range of at most BLOCK_BYTES, page-aligned: in `scratch`, or shared ones."""

    def matches(self, start_bytes: int, data: memoryview, scratch: bytearray) -> bool:
        """True when `data`, read at `start_bytes`, is what belongs there. `scratch` has BLOCK_BYTES."""


class _OwnCipher(threading.local):
    """Each thread's cipher, used again for every block: making one anew costs 5 us."""

    encryptor: CipherContext | None = None


class RandomSource:
    """The key stream of one pass; `key` has 16 bytes. Ranges start at multiples of 16 bytes."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.AES(key)
        self._own = _OwnCipher()

    def fill(self, start_bytes: int, length_bytes: int, scratch: memoryview) -> memoryview:
        """Encipher zeros into `scratch`."""
        counter = (start_bytes // _CIPHER_BLOCK_BYTES).to_bytes(_CIPHER_BLOCK_BYTES, "big")
        encryptor = self._own.encryptor
        if encryptor is None:
            encryptor = self._own.encryptor = Cipher(self._algorithm, modes.CTR(counter)).encryptor()
        else:
            encryptor.reset_nonce(counter)
        filled = scratch[:length_bytes]
        # one call for the whole block: every call costs a turn at the interpreter lock
        encryptor.update_into(_ZEROS[:length_bytes], filled)
        return filled

    def matches(self, start_bytes: int, data: memoryview, scratch: bytearray) -> bool:
        """Make the stream again and compare every byte."""
        self.fill(start_bytes, len(data), memoryview(scratch))
        # a bytearray on the left: that comparison is memcmp, two views are compared item by item
        return (scratch if len(data) == BLOCK_BYTES else scratch[: len(data)]) == data


class PatternSource:
    """A pattern of 1 to 3 bytes repeated from byte 0 of the medium on, so that blocks join in phase."""

    def __init__(self, pattern: bytes) -> None:
        self._period_bytes = len(pattern)
        self._shared: list[memoryview] = []
        self._expected: list[bytearray] = []
        for phase in range(len(pattern)):
            turned = pattern[phase:] + pattern[:phase]
            repeated = bytearray((turned * (BLOCK_BYTES // len(pattern) + 1))[:BLOCK_BYTES])
            buffer = aligned_buffer(BLOCK_BYTES)
            buffer[:] = repeated
            self._shared.append(buffer)
            self._expected.append(repeated)

    def fill(self, start_bytes: int, length_bytes: int, scratch: memoryview) -> memoryview:  # noqa: ARG002
        """Return a view of the one shared block with the right phase; nothing is copied."""
        return self._shared[start_bytes % self._period_bytes][:length_bytes]

    def matches(self, start_bytes: int, data: memoryview, scratch: bytearray) -> bool:  # noqa: ARG002
        """Compare with the shared block of the right phase."""
        expected = self._expected[start_bytes % self._period_bytes]
        return (expected if len(data) == BLOCK_BYTES else expected[: len(data)]) == data


def make_source(planned: Pass, key: bytes) -> Source:
    """Return the source of a pass; `key` counts for random passes only."""
    if planned.kind is PassKind.RANDOM:
        return RandomSource(key)
    return PatternSource(bytes.fromhex(planned.pattern_hex))
