"""Who could change what root trusts."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.discover.permissions import distrust_file, distrust_log_folder

_SOMEBODY = 4242

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="it is about what belongs to root and others")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in a folder, all ours."""
    (tmp_path / "in").mkdir(mode=0o755)
    (tmp_path / "in" / "file").write_text("x")
    (tmp_path / "in" / "file").chmod(0o644)
    return tmp_path


def _give(path: Path) -> None:
    os.chown(path, _SOMEBODY, _SOMEBODY)


def _give_group(path: Path) -> None:
    os.chown(path, 0, _SOMEBODY)
    path.chmod(path.stat().st_mode | 0o020)


def _open_to_all(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o002)


_CHANGES = [
    pytest.param(_give, f"belongs to user {_SOMEBODY}", marks=needs_root),
    pytest.param(_give_group, f"can be written to by group {_SOMEBODY}", marks=needs_root),
    (_open_to_all, "can be written to by everybody"),
]


def test_what_is_ours_alone_is_trusted(folder: Path) -> None:
    assert distrust_file(str(folder / "in" / "file")) == ""


@pytest.mark.parametrize(("change", "said"), _CHANGES)
@pytest.mark.parametrize("which", ["", "in", "in/file"])
def test_who_may_write_to_it_or_to_a_folder_on_the_way(
    folder: Path, which: str, change: Callable[[Path], None], said: str
) -> None:
    change(folder / which)
    assert distrust_file(str(folder / "in" / "file")) == f"{folder / which} {said}"


@needs_root
def test_a_sticky_folder_on_the_way_lets_nobody_take_anything_away(folder: Path) -> None:
    folder.chmod(0o1777)
    assert distrust_file(str(folder / "in" / "file")) == ""


@pytest.mark.parametrize(("change", "said"), _CHANGES)
@pytest.mark.parametrize("which", ["first", "second", "third"])
def test_every_folder_between_links_counts(
    tmp_path: Path, which: str, change: Callable[[Path], None], said: str
) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "third" / "file").write_text("x")
    (tmp_path / "second" / "link").symlink_to("../third/file")
    (tmp_path / "first" / "link").symlink_to(tmp_path / "second" / "link")
    path = str(tmp_path / "first" / "link")
    assert distrust_file(path) == ""
    change(tmp_path / which)
    assert distrust_file(path) == f"{tmp_path / which} {said}"


def test_what_is_no_file_is_not_trusted(folder: Path) -> None:
    (folder / "round").symlink_to("round")
    for name, said in (("in", "not a regular file"), ("gone", "No such file"), ("round", "Too many levels")):
        assert said in distrust_file(str(folder / name))


def test_a_folder_of_logs_may_belong_to_its_service(folder: Path) -> None:
    assert distrust_log_folder(str(folder / "in")) == ""
    (folder / "in").chmod(0o775)
    assert distrust_log_folder(str(folder / "in")) == ""
    (folder / "in").chmod(0o1777)
    assert "everybody" in distrust_log_folder(str(folder / "in"))
    (folder / "link").symlink_to("in")
    assert "symbolic link" in distrust_log_folder(str(folder / "link"))
    assert "not a folder" in distrust_log_folder(str(folder / "in" / "file"))
    assert "cannot be looked at" in distrust_log_folder(str(folder / "gone"))
