"""A live log is renamed, and a fresh file takes its place: whole, and with the truth told where it cannot."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from shredder.erase.fresh_file import FreshFile
from shredder.logs.rotate import Renamed, rename_live
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_runs import DAY_S, Place, make_place, shred_at, shred_by_command
from tests.support.machine import run
from tests.unit.log_builders import NOW_S, make_file

MIB = 1 << 20
SIZES = {"ext4": 32 * MIB, "xfs": 320 * MIB, "btrfs": 256 * MIB}
RECREATE = """
    [[logs]]
    name = "web"
    paths = ["{logs}/*.log*"]
    keep = "7 days"
    after = "recreate"
"""
WATCHER = """
import os, sys
seen = set()
print(flush=True)
while not os.path.exists(sys.argv[2]):
    try:
        facts = os.lstat(sys.argv[1])
    except FileNotFoundError:
        continue
    seen.add((facts.st_uid, facts.st_gid, facts.st_mode & 0o7777))
print(sorted(seen))
"""


@pytest.fixture
def place(loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path]) -> Place:
    return make_place(mounted(loop_factory(48 * MIB).path, "ext4"))


def make_live(folder: Path, name: str = "access.log") -> Path:
    live = folder / name
    live.write_text("a record\n")
    os.chown(live, 33, 4)
    live.chmod(0o640)
    return live


def rotate(live: Path, now_s: int = NOW_S) -> Renamed:
    facts = live.stat()
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    file = make_file(path=str(live), device=device, inode=facts.st_ino)
    return rename_live(file, now_s, recreate=True)


def assert_fresh(live: Path, found: Renamed) -> None:
    assert (found.error, found.trouble) == (None, None)
    assert Path(found.path).read_text() == "a record\n"
    facts = live.stat()
    assert (facts.st_size, facts.st_uid, facts.st_gid, facts.st_mode & 0o7777) == (0, 33, 4, 0o640)
    names = {path.name for path in live.parent.iterdir()} - {"lost+found"}
    assert names == {live.name, Path(found.path).name}


@pytest.mark.parametrize("fs", ["ext4", "xfs", "btrfs"])
def test_a_fresh_file_on_every_file_system(
    fs: str, loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path]
) -> None:
    live = make_live(mounted(loop_factory(SIZES[fs]).path, fs))
    assert_fresh(live, rotate(live))


def test_a_fresh_file_in_memory_and_on_layers(tmp_path: Path, undo: ExitStack) -> None:
    memory, over = tmp_path / "memory", tmp_path / "over"
    memory.mkdir()
    over.mkdir()
    run("mount", "-t", "tmpfs", "none", memory)
    undo.callback(run, "umount", memory)
    for name in ("lower", "upper", "work", "plain"):
        (memory / name).mkdir()
    options = ",".join(f"{key}dir={memory / key}" for key in ("lower", "upper", "work"))
    run("mount", "-t", "overlay", "-o", options, "none", over)
    undo.callback(run, "umount", over)
    for folder in (memory / "plain", over):
        live = make_live(folder)
        assert_fresh(live, rotate(live))


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_where_no_file_can_be_nameless(
    fs: str,
    loop_factory: Callable[..., LoopDevice],
    mounted: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its own bit the flag asks to write to a folder, as an older file system takes it."""
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)
    live = make_live(mounted(loop_factory(SIZES[fs]).path, fs))
    with pytest.raises(IsADirectoryError):
        os.open(live.parent, os.O_TMPFILE | os.O_WRONLY)
    assert_fresh(live, rotate(live))


def test_nobody_ever_sees_it_with_another_owner_or_mode(place: Place, undo: ExitStack) -> None:
    live, done = make_live(place.logs), place.root / "done"
    words = [sys.executable, "-c", WATCHER, str(live), str(done)]
    watcher = undo.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
    undo.callback(watcher.kill)
    assert watcher.stdout
    watcher.stdout.readline()
    for number in range(300):
        found = rotate(live, NOW_S + number)
        assert (found.error, found.trouble) == (None, None)
    done.touch()
    assert watcher.stdout.readline() == "[(33, 4, 416)]\n"


def test_without_an_inode_for_the_fresh_file_nothing_is_renamed(
    place: Place, loop_factory: Callable[..., LoopDevice], mounted: Callable[..., Path], shredder: Shredder
) -> None:
    loop = loop_factory(16 * MIB)
    run("mkfs.ext4", "-q", "-N", "16", loop.path)
    full = make_place(mounted(loop.path))
    live = full.write_log("access.log", 9)
    before = live.read_bytes()
    with pytest.raises(OSError, match="No space"):
        for number in range(1000):
            (full.root / f"filler-{number}").touch()
    place.write_policy(RECREATE.replace("{logs}", str(full.logs)))
    done = shredder("logs", "shred", place.policy, expect=4)
    said = f"{live} was not renamed: no fresh file can be made to take its place (No space left on device)"
    assert said in done.stderr
    assert [path.name for path in full.logs.iterdir()] == ["access.log"]
    assert live.read_bytes() == before
    (full.root / "filler-0").unlink()
    shred_by_command(shredder, place)
    assert live.read_bytes() == b""


def test_a_log_that_can_have_no_successor_gets_its_name_back(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fresh: FreshFile) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(FreshFile, "appear", fail)
    live = make_live(place.logs)
    found = rotate(live)
    assert found == Renamed(str(live), "no fresh file can be put in its place (Input/output error)", None)
    assert [path.name for path in place.logs.iterdir()] == ["access.log"]
    assert live.read_text() == "a record\n"


def test_a_file_that_has_its_name_by_then_stays_and_the_run_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch, shredder: Shredder
) -> None:
    """The renamed log is dealt with all the same."""
    live = place.logs / "access.log"

    def fail(_fresh: FreshFile) -> None:
        live.write_text("of somebody else")
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(FreshFile, "appear", fail)
    place.write_log("access.log", 9)
    place.write_policy(RECREATE)
    result = shred_at(place, live.stat().st_mtime + 9 * 86_400)
    assert result.exit_code == 4
    (rule,) = result.report.rules
    said = f"{live} was renamed, and no fresh file can be put in its place (Input/output error)"
    assert [problem.reason for problem in rule.problems] == [said]
    assert [file.verdict for file in rule.files] == ["overwritten, proven"]
    assert live.read_text() == "of somebody else"
    assert [path.name for path in place.logs.iterdir()] == ["access.log"]
    shown = shredder("certificate", "show", result.folder / "certificate.json", expect=4).stdout
    assert said in " ".join(shown.split())


def test_a_file_that_its_service_has_made_meanwhile_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = make_live(place.logs)
    appear = FreshFile.appear

    def race(fresh: FreshFile) -> None:
        live.write_text("of the service")
        appear(fresh)

    monkeypatch.setattr(FreshFile, "appear", race)
    found = rotate(live)
    assert (found.error, found.trouble) == (None, None)
    assert Path(found.path).read_text() == "a record\n"
    assert live.read_text() == "of the service"


@pytest.mark.parametrize("pattern", ["*.log", "access.log"])
def test_what_was_rotated_away_is_shredded_when_it_is_due(place: Place, pattern: str) -> None:
    """Its new name is ours: no pattern must be written so that it matches that as well."""
    place.write_policy(
        f"""
        [[logs]]
        name = "web"
        paths = ["{{logs}}/{pattern}"]
        keep = "7 days"
        rotate = "1 day"
        """
    )
    place.write_log("access.log", 2, now_s=NOW_S)
    assert shred_at(place, NOW_S).exit_code == 0
    (rotated,) = place.logs.iterdir()
    assert rotated.name.startswith("access.log-")
    assert shred_at(place, NOW_S + 4 * DAY_S).exit_code == 0
    assert rotated.exists()
    assert shred_at(place, NOW_S + 6 * DAY_S).exit_code == 0
    assert not rotated.exists()
