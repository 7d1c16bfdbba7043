"""The parts of the build that are plain work on files."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from shredder.discover.recovery_image import IDENTITY_PATH, read_identity
from shredder.errors import ShredderError, UsageError
from shredder.image.build import CHECKSUMS, all_at_once
from shredder.image.identity import identify, write_identity
from shredder.image.kernel import MODULES, load_order
from shredder.image.lock import LockedWheel
from shredder.image.toolbox import write_wrappers
from shredder.image.tools import first_on_path, need_tools
from shredder.image.unpack import drop_matching, unpack_python


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small root."""
    folder = tmp_path / "root"
    for name in ("usr/bin/x", "usr/share/doc/x/copyright", "usr/lib/a.so", "etc/rc1.d/S1", "etc/rcS"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o644)
    (folder / "bin").symlink_to("usr/bin")
    return folder


def paths(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("usr/share/doc", {"usr/share/doc/x/copyright"}),
        ("usr/share/do*", {"usr/share/doc/x/copyright"}),
        ("etc/rc?.d", {"etc/rc1.d/S1"}),
        ("usr/*.so", {"usr/lib/a.so"}),
        ("usr/sha", set()),
        ("bin", set()),
        ("nothing/*", set()),
    ],
)
def test_a_pattern_drops_what_it_says(pattern: str, gone: set[str], root: Path) -> None:
    before = paths(root)
    drop_matching(root, [pattern])
    assert before - paths(root) == gone
    assert (root / "usr/bin/x").exists()
    assert (root / "bin").is_symlink() == (pattern != "bin")


def test_the_identity_is_of_the_content(root: Path) -> None:
    first = identify(root, "1")
    for path in root.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (root / "etc/shredder").mkdir()
    with_folder = identify(root, "1")
    assert with_folder != first
    write_identity(root / IDENTITY_PATH.relative_to("/"), with_folder)
    assert identify(root, "1") == with_folder == read_identity(root / IDENTITY_PATH.relative_to("/"))


@pytest.mark.parametrize("change", ["content", "mode", "name", "link", "kind"])
def test_every_change_gives_another_identity(change: str, root: Path) -> None:
    before = identify(root, "1")
    file, link = root / "usr/bin/x", root / "bin"
    match change:
        case "content":
            file.write_text("other")
        case "mode":
            file.chmod(0o755)
        case "name":
            file.rename(root / "usr/bin/y")
        case "link":
            link.unlink()
            link.symlink_to("usr/lib")
        case "kind":
            link.unlink()
            link.write_text("usr/bin")
            link.chmod(0o777)
    assert identify(root, "1").digest != before.digest


def test_results_appear_when_all_of_them_are_there(tmp_path: Path) -> None:
    with all_at_once(tmp_path) as folder:
        (folder / "netboot").mkdir()
        for name in (CHECKSUMS, "shredder.iso", "netboot/vmlinuz"):
            (folder / name).write_text(name)
        assert list(tmp_path.glob("[!.]*")) == []
    assert paths(tmp_path) == {CHECKSUMS, "shredder.iso", "netboot/vmlinuz"}


def write_half(output: Path) -> None:
    with all_at_once(output) as folder:
        (folder / "shredder.iso").write_text("half")
        raise KeyboardInterrupt


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path)
    assert list(tmp_path.iterdir()) == []


def locked(name: str) -> LockedWheel:
    return LockedWheel(name, "1.0", f"https://p/{name}-1.0.tar.gz", 1, "0" * 64)


def make_source(place: Path, names: list[str]) -> dict[str, Path]:
    with tarfile.open(place, "w:gz") as archive:
        for name in names:
            item = tarfile.TarInfo(name)
            item.size = 1
            archive.addfile(item, io.BytesIO(b"#"))
    return {"0" * 64: place}


@pytest.mark.parametrize("top", ["pack-1.0/", "pack-1.0/src/"])
def test_the_modules_of_a_source_are_taken_and_nothing_else(top: str, tmp_path: Path) -> None:
    names = [f"{top}pack/__init__.py", f"{top}pack/in/a.py", f"{top}pack/../../out.py", "pack-1.0/setup.py"]
    places = make_source(tmp_path / "pack.tar.gz", names)
    unpack_python([locked("pack")], places, tmp_path / "to")
    assert paths(tmp_path / "to") == {"pack/__init__.py", "pack/in/a.py"}


def test_a_source_without_plain_modules_is_refused(tmp_path: Path) -> None:
    places = make_source(tmp_path / "pack.tar.gz", ["pack-1.0/pack.c"])
    with pytest.raises(ShredderError, match="not a source of plain Python"):
        unpack_python([locked("pack")], places, tmp_path / "to")


def test_modules_load_after_those_they_need(tmp_path: Path) -> None:
    folder = tmp_path / MODULES / "6.1"
    folder.mkdir(parents=True)
    # as depmod writes it: what is needed first stands last
    (folder / "modules.dep").write_text("k/a.ko: k/b.ko k/c.ko\nk/b.ko: k/c.ko\nk/c.ko:\n")
    order = [path.name for path in load_order(tmp_path, "6.1", ["b", "a"])]
    assert order == ["c.ko", "b.ko", "a.ko"]
    with pytest.raises(ShredderError, match="no module d"):
        load_order(tmp_path, "6.1", ["d"])


def test_the_locked_programs_come_first(tmp_path: Path) -> None:
    write_wrappers(tmp_path / "tools", tmp_path / "bin")
    before = os.environ["PATH"]
    with first_on_path(tmp_path / "bin"):
        need_tools({"mksquashfs": "squashfs-tools", "xorriso": "xorriso"})
    assert os.environ["PATH"] == before
    assert os.access(tmp_path / "bin" / "zstd", os.X_OK)


def test_all_missing_programs_are_named_at_once() -> None:
    with pytest.raises(UsageError, match="no-such-a, no-such-b") as caught:
        need_tools({"no-such-a": "pack-a", "no-such-b": "pack-b", "sh": "dash"})
    assert str(caught.value.hint).endswith("--no-install-recommends pack-a pack-b")
