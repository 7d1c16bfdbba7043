"""What a recovery image says of itself, the mark on its medium, and the firmware's word on Secure Boot."""

import json
from pathlib import Path

import pytest

from shredder.discover.probe import read_secure_boot
from shredder.discover.recovery_image import (
    MARK_LENGTH_BYTES,
    MARK_START_BYTES,
    ImageIdentity,
    boot_mark,
    read_identity,
    read_mark,
)
from shredder.errors import RefusedError
from shredder.model import Fact, Unavailable

IDENTITY = ImageIdentity("1.0.0", "0123456789abcdef" * 4)
GOOD = {"version": "1.0.0", "digest": "0123456789abcdef" * 4}


def test_an_image_says_which_one_it_is(tmp_path: Path) -> None:
    path = tmp_path / "image.json"
    path.write_text(json.dumps(GOOD))
    assert read_identity(path) == IDENTITY
    assert str(IDENTITY) == f"shredder image 1.0.0 sha256:{'0123456789abcdef' * 4}"


def test_no_file_is_no_image(tmp_path: Path) -> None:
    assert read_identity(tmp_path / "shredder" / "image.json") is None
    (tmp_path / "file").touch()
    assert read_identity(tmp_path / "file" / "image.json") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        json.dumps({"version": "1.0.0"}),
        json.dumps({**GOOD, "more": "x"}),
        json.dumps({**GOOD, "version": 1}),
        json.dumps({**GOOD, "version": " "}),
        json.dumps({**GOOD, "version": "1\n0"}),
        json.dumps({**GOOD, "digest": "0123456789ABCDEF" * 4}),
        json.dumps({**GOOD, "digest": "ab" * 31}),
        json.dumps({**GOOD, "digest": "ab" * 32 + "\n"}),
    ],
)
def test_an_image_that_does_not_say_which_one_it_is_looks_at_no_disk(tmp_path: Path, text: str) -> None:
    path = tmp_path / "image.json"
    path.write_text(text)
    with pytest.raises(RefusedError, match="which recovery image"):
        read_identity(path)


def test_an_identity_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="Is a directory"):
        read_identity(tmp_path)


def test_the_mark_fits_into_its_field() -> None:
    mark = boot_mark(IDENTITY)
    assert mark == f"SHREDDER {'0123456789ABCDEF' * 4}"
    assert len(mark) <= MARK_LENGTH_BYTES
    assert (MARK_START_BYTES, MARK_LENGTH_BYTES) == (16 * 2048 + 574, 128)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (boot_mark(IDENTITY).encode().ljust(128), boot_mark(IDENTITY)),
        (boot_mark(IDENTITY).encode().ljust(128, b"\0"), boot_mark(IDENTITY)),
        (boot_mark(IDENTITY).encode(), boot_mark(IDENTITY)),  # the medium ends there
        (b"SHREDDER X".ljust(128), "SHREDDER X"),
        (b" SHREDDER X".ljust(128), None),
        (b"GENISOIMAGE".ljust(128), None),
        (bytes(128), None),
        (b"\xff" * 128, None),
        (b"", None),
    ],
)
def test_the_mark_is_read_where_it_stands(tmp_path: Path, field: bytes, expected: str | None) -> None:
    medium = tmp_path / "medium"
    medium.write_bytes(bytes(MARK_START_BYTES) + field)
    assert read_mark(str(medium)) == expected


def test_a_mark_elsewhere_is_none(tmp_path: Path) -> None:
    medium = tmp_path / "medium"
    for start in (0, 32768, MARK_START_BYTES - 1, MARK_START_BYTES + 1):
        medium.write_bytes(bytes(start) + boot_mark(IDENTITY).encode().ljust(256))
        assert read_mark(str(medium)) is None


def test_a_node_that_cannot_be_read_gives_the_reason(tmp_path: Path) -> None:
    assert read_mark(str(tmp_path)) == Unavailable("the device could not be read: Is a directory")


VARIABLE = "efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x06\0\0\0\x01", "on"),
        (b"\x06\0\0\0\x00", "off"),
        (b"\x06\0\0\0\x02", Unavailable("the firmware's variable is not one byte of 0 or 1")),
        (b"\x06\0\0\0", Unavailable("the firmware's variable is not one byte of 0 or 1")),
        (b"\x06\0\0\0\x01\x01", Unavailable("the firmware's variable is not one byte of 0 or 1")),
    ],
)
def test_secure_boot_is_what_the_firmware_says(tmp_path: Path, content: bytes, expected: Fact) -> None:
    (tmp_path / "efivars").mkdir()
    (tmp_path / VARIABLE).write_bytes(content)
    assert read_secure_boot(tmp_path) == expected


def test_where_the_firmware_says_nothing_there_is_a_reason(tmp_path: Path) -> None:
    assert read_secure_boot(tmp_path / "efi") == Unavailable("not started by UEFI firmware")
    expected = Unavailable("the firmware does not say, or its variables are not mounted")
    assert read_secure_boot(tmp_path) == expected
    (tmp_path / VARIABLE).mkdir(parents=True)
    expected = Unavailable("the firmware's variable could not be read: Is a directory")
    assert read_secure_boot(tmp_path) == expected
