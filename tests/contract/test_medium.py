"""One contract for every medium: memory, an image file, a block device, and a wrapper around each."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.erase.block_device import BlockDevice
from shredder.erase.image_file import ImageFile
from shredder.erase.keystream import BLOCK_BYTES, aligned_buffer
from shredder.erase.medium import Medium, MediumRefusedError
from shredder.model import RefusalKind
from tests.support.devices import LoopDevice
from tests.support.machine import why_no_loop
from tests.support.media import FaultyMedium, MemoryMedium

_SIZE = 2 * BLOCK_BYTES + 8 * 4096
Make = Callable[[], tuple[Medium, Callable[[], bytes]]]


@pytest.fixture(params=["memory", "image", "loop-512", "loop-4096", "wrapped"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a maker of (medium, what stands on it now)."""
    kind: str = request.param

    def make_memory() -> tuple[Medium, Callable[[], bytes]]:
        memory = MemoryMedium(_SIZE, 4096)
        medium = FaultyMedium(memory) if kind == "wrapped" else memory
        return medium, lambda: bytes(memory.content)

    def make_image() -> tuple[Medium, Callable[[], bytes]]:
        path = tmp_path / "image"
        path.write_bytes(b"\xa5" * _SIZE)
        return ImageFile(str(path)), path.read_bytes

    def make_loop() -> tuple[Medium, Callable[[], bytes]]:
        loop_factory: Callable[..., LoopDevice] = request.getfixturevalue("loop_factory")
        loop = loop_factory(_SIZE, sector_bytes=int(kind.partition("-")[2]))
        loop.backing.write_bytes(b"\xa5" * _SIZE)
        return BlockDevice(loop.path), loop.backing.read_bytes

    if kind.startswith("loop"):
        why = why_no_loop()
        if why:
            pytest.skip(f"needs root and loop devices: {why}")
        return make_loop
    return make_image if kind == "image" else make_memory


def _pattern(length: int) -> memoryview:
    buffer = aligned_buffer(length)
    buffer[:] = bytes(at * 7 % 251 for at in range(4096)) * (length // 4096)
    return buffer


def test_size_and_sector(make: Make) -> None:
    medium, _ = make()
    assert medium.size_bytes == _SIZE
    assert medium.sector_bytes in (512, 4096)
    medium.close(untouched=True)


def test_written_is_there_after_a_flush_and_nothing_else_changed(make: Make) -> None:
    medium, content = make()
    data = _pattern(8192)
    medium.write(data, 4096)
    medium.flush()
    medium.close(untouched=False)
    assert content() == b"\xa5" * 4096 + bytes(data) + b"\xa5" * (_SIZE - 3 * 4096)


def test_read_gives_what_was_written(make: Make) -> None:
    medium, _ = make()
    data, back = _pattern(BLOCK_BYTES), aligned_buffer(BLOCK_BYTES)
    medium.write(data, _SIZE - BLOCK_BYTES)
    medium.flush()
    medium.read_into(back, _SIZE - BLOCK_BYTES)
    assert bytes(back) == bytes(data)
    medium.close(untouched=False)


def test_reading_past_the_end_is_an_error(make: Make) -> None:
    medium, _ = make()
    with pytest.raises(OSError, match=r"\w"):
        medium.read_into(aligned_buffer(8192), _SIZE - 4096)
    medium.close(untouched=True)


@pytest.mark.parametrize("size", [1, 511, 4095, 4097, 3 * 4096 + 5])
def test_an_image_of_any_length_keeps_its_length(tmp_path: Path, size: int) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\xa5" * size)
    medium = ImageFile(str(path))
    tail = size % 4096
    data = aligned_buffer(4096)[:tail]
    data[:] = b"x" * tail
    medium.write(data, size - tail)
    medium.flush()
    back = aligned_buffer(4096)[:tail]
    medium.read_into(back, size - tail)
    assert bytes(back) == b"x" * tail
    medium.close(untouched=False)
    assert path.read_bytes() == b"\xa5" * (size - tail) + b"x" * tail


def test_an_image_that_somebody_has_open_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(bytes(4096))
    with path.open("rb"), pytest.raises(MediumRefusedError) as caught:
        ImageFile(str(path))
    assert caught.value.refusal.kind is RefusalKind.OPEN


@pytest.mark.parametrize("what", ["link", "fifo", "folder", "missing"])
def test_only_a_regular_file_is_an_image(tmp_path: Path, what: str) -> None:
    path = tmp_path / "image"
    if what == "link":
        (tmp_path / "target").write_bytes(bytes(4096))
        path.symlink_to(tmp_path / "target")
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    with pytest.raises(MediumRefusedError) as caught:
        ImageFile(str(path))
    assert caught.value.refusal.kind is RefusalKind.KIND


def test_a_character_device_is_no_block_device() -> None:
    with pytest.raises((MediumRefusedError, OSError)) as caught:
        BlockDevice("/dev/null")
    assert isinstance(caught.value, MediumRefusedError)


def test_the_wrapper_fails_where_it_is_told_to() -> None:
    medium = FaultyMedium(MemoryMedium(4096), unwritable=[1], unreadable=[2], flush_error=errno.EIO)
    medium.write(memoryview(bytearray(512)), 0)
    with pytest.raises(OSError, match="error"):
        medium.write(memoryview(bytearray(1024)), 0)
    with pytest.raises(OSError, match="error"):
        medium.read_into(memoryview(bytearray(512)), 1024)
    with pytest.raises(OSError, match="error"):
        medium.flush()
    medium.flush()
