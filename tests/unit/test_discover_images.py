"""A regular file as a disk image; everything else is refused."""

import os
import socket
from pathlib import Path

import pytest

from shredder.discover import describe_image
from shredder.errors import RefusedError, ShredderError, UsageError
from shredder.model import DeviceKind, MediumKind, Unavailable


@pytest.mark.parametrize("size_bytes", [0, 1, 511, 4097, 10_000_019])
def test_a_file_of_any_length(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "disk.img"
    path.touch()
    os.truncate(path, size_bytes)
    image = describe_image(str(path))
    assert (image.kind, image.medium) == (DeviceKind.IMAGE, MediumKind.FILE)
    assert image.path == image.identity.by_path == str(path)
    assert image.identity.size_bytes == size_bytes
    assert image.identity.logical_sector_bytes == 4096
    assert not image.identity.is_unique
    assert image.identity.serial == Unavailable("a file has none")
    assert image.uses == ()
    facts = path.stat()
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    assert isinstance(image.identity.instance, str)
    assert image.identity.instance.startswith(f"inode {device}/{facts.st_ino} born ")


def test_another_file_under_the_same_name_is_another_instance(tmp_path: Path) -> None:
    path, other = tmp_path / "disk.img", tmp_path / "other"
    path.write_bytes(b"x")
    other.write_bytes(b"x")
    before = describe_image(str(path)).identity.instance
    other.replace(path)
    assert describe_image(str(path)).identity.instance != before


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "disk.img").write_bytes(b"x")
    monkeypatch.chdir(tmp_path / "folder")
    assert describe_image("../disk.img").path == str(tmp_path / "disk.img")


def make_link(path: Path) -> None:
    (path.parent / "real").write_bytes(b"x")
    path.symlink_to(path.parent / "real")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_link, "is a symbolic link, not a regular file"),
        (os.mkfifo, "is a FIFO, not a regular file"),
        (os.mkdir, "is a directory, not a regular file"),
        (make_socket, "is a socket, not a regular file"),
    ],
)
def test_no_regular_file(tmp_path: Path, make: object, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert callable(make)
    make(Path("thing"))
    with pytest.raises(RefusedError) as refused:
        describe_image("thing")
    assert refused.value.message == f"thing {said}"


def test_a_device_is_no_image() -> None:
    with pytest.raises(RefusedError, match="is a character device"):
        describe_image("/dev/null")


@pytest.mark.parametrize(
    ("name", "said"),
    [("/no/such/file", "no such file or directory"), ("a\0b", "null"), ("x" * 300, "file name too long")],
)
def test_what_cannot_be_looked_at(name: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        describe_image(name)
    assert said in refused.value.message
    assert isinstance(refused.value, ShredderError)
