"""Log files on real file systems; whether their text is gone is read from the raw device."""

import os
import string
from contextlib import ExitStack
from pathlib import Path

import pytest

from shredder.discover.placement import Places
from shredder.log_model import After, FileOutcome, FileState, Grade, RawRange, ReadBack
from tests.support.devices import LoopDevice
from tests.support.log_files import (
    MARKER,
    MakeLoop,
    Mount,
    job_for,
    mount_with,
    on_device,
    shred,
    write_log,
)
from tests.support.machine import run

MIB = 1 << 20
SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 256 * MIB}


def names(point: Path) -> list[str]:
    return sorted(path.name for path in point.iterdir() if path.name != "lost+found")


@pytest.mark.parametrize("fs", ["ext4", "xfs"])
@pytest.mark.parametrize("size", [1, 4095, 4096, 12_345, 4 * MIB - 1, 9 * MIB + 77])
def test_text_is_gone_where_files_are_overwritten_in_place(
    fs: str, size: int, loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    loop = loop_factory(SIZES[fs])
    point = mounted(loop.path, fs)
    log = write_log(point / "access.log.1", size)
    assert size < 24 or on_device(loop)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.reason, outcome.grade) == ("", Grade.PROVEN)
    assert (outcome.state, outcome.read_back) == (FileState.UNLINKED, ReadBack.RAW)
    assert on_device(loop) == []
    assert names(point) == []


def test_a_partition_and_small_blocks(loop_factory: MakeLoop, mounted: Mount, tmp_path: Path) -> None:
    loop = loop_factory(64 * MIB)
    _, second = loop.partition("label: gpt\nsize=8MiB\nsize=40MiB\n")
    run("mkfs.ext4", "-q", "-b", "1024", second)
    log = write_log(mounted(second) / "log", 100_000)
    assert on_device(loop)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.grade is Grade.PROVEN
    assert on_device(loop) == []


def physical(log: Path) -> int:
    descriptor = os.open(log, os.O_RDONLY)
    found = Places().place(descriptor)
    os.close(descriptor)
    return found.extents[0].physical_bytes


@pytest.mark.parametrize("after", list(After))
@pytest.mark.parametrize("fs", ["ext4", "xfs"])
def test_slack_is_overwritten_and_the_size_stays(
    fs: str, after: After, loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    """What stands behind the end is put there on the raw device: the kernel itself leaves zeros."""
    loop = loop_factory(SIZES[fs])
    point = mounted(loop.path, fs)
    log = write_log(point / "log", 4096 + 100, b"x")
    at = physical(log) + 4096 + 100
    run("umount", point)
    with open(loop.path, "r+b") as device:
        device.seek(at)
        device.write(MARKER)
    mounted_again = mounted(loop.path)
    assert len(on_device(loop)) == 1
    log = mounted_again / "log"
    (outcome,) = shred([job_for(log, after=after)], tmp_path)
    assert outcome.grade is Grade.PROVEN
    assert on_device(loop) == []
    if after is After.KEEP_NAME:
        assert log.stat().st_size == 4096 + 100
        assert outcome.state is FileState.OVERWRITTEN
    else:
        assert names(mounted_again) == (["log"] if after is After.RECREATE else [])


def test_short_names_are_drawn_once_each(loop_factory: MakeLoop, mounted: Mount, tmp_path: Path) -> None:
    """Half of the names of one letter in one round: two of them would nearly always draw the same one."""
    point = mounted(loop_factory(SIZES["ext4"]).path, "ext4")
    logs = [write_log(point / name, 100) for name in string.ascii_letters[:30]]
    outcomes = shred([job_for(log) for log in logs], tmp_path)
    assert {(item.state, item.problem) for item in outcomes} == {(FileState.UNLINKED, None)}
    assert names(point) == []


def test_holes_stay_holes(loop_factory: MakeLoop, mounted: Mount, tmp_path: Path) -> None:
    loop = loop_factory(SIZES["ext4"])
    log = mounted(loop.path, "ext4") / "log"
    with log.open("wb") as file:
        for at in (0, 8 * MIB, 20 * MIB):
            file.seek(at)
            file.write(MARKER * 100)
        file.truncate(30 * MIB)
        os.fsync(file.fileno())
    before = log.stat()
    (outcome,) = shred([job_for(log, after=After.KEEP_NAME)], tmp_path)
    assert outcome.grade is Grade.PROVEN
    assert (log.stat().st_blocks, log.stat().st_size) == (before.st_blocks, before.st_size)
    assert on_device(loop) == []
    assert not any(log.read_bytes()[MIB : 8 * MIB])


def test_space_that_was_only_reserved_is_overwritten_too(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    log = mounted(loop_factory(SIZES["ext4"]).path, "ext4") / "log"
    run("fallocate", "-l", "100000", log)
    with log.open("r+b") as file:
        file.write(MARKER * 50)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.grade is Grade.PROVEN


@pytest.mark.parametrize("how", ["mount option", "default option", "attribute"])
def test_data_that_ext4_journals_is_never_proven(
    how: str, loop_factory: MakeLoop, tmp_path: Path, undo: ExitStack
) -> None:
    loop = loop_factory(SIZES["ext4"])
    run("mkfs.ext4", "-q", loop.path)
    if how == "default option":
        run("tune2fs", "-o", "journal_data", loop.path)
    point = mount_with(loop, tmp_path / "m", "data=journal" if how == "mount option" else "rw", undo)
    log = point / "log"
    log.touch()
    if how == "attribute":  # chattr +j asks for a right that containers lack
        run("umount", point)
        run("debugfs", "-w", "-R", "set_inode_field /log flags 0x84000", loop.path)
        mount_with(loop, point, "nodelalloc", undo)  # with delayed allocation the attribute does nothing
        assert "j" in run("lsattr", log).split()[0]
    write_log(log, 300_000)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.predicted, outcome.grade) == (Grade.UNPROVABLE, Grade.UNPROVABLE)
    assert "journal" in outcome.reason
    assert outcome.state is FileState.UNLINKED
    assert on_device(loop), "the journal still has the text, as the report says"


def holds_text(places: tuple[RawRange, ...]) -> int:
    """Return how many of the places hold the log's text, as their devices are read past the cache."""
    run("sync")
    found = 0
    for place in places:
        run("blockdev", "--flushbufs", place.device)
        with open(place.device, "rb") as device:
            device.seek(place.start_bytes)
            found += MARKER[:24] in device.read(place.length_bytes)
    return found


def assert_moved(outcome: FileOutcome, size: int, copies: int = 1) -> None:
    assert (outcome.predicted, outcome.grade) == (Grade.MOVED, Grade.MOVED)
    assert outcome.standing == outcome.old != ()
    assert sum(place.length_bytes for place in outcome.old) >= size * copies
    assert holds_text(outcome.old) == len(outcome.old)


@pytest.mark.parametrize("balanced", [False, True])
def test_btrfs_writes_elsewhere_and_the_report_says_where_the_text_still_stands(
    balanced: bool, loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    loop = loop_factory(SIZES["btrfs"])
    point = mounted(loop.path, "btrfs")
    log = write_log(point / "log", 500_000)
    if balanced:
        run("btrfs", "balance", "start", "-d", point)
    address = physical(log)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert_moved(outcome, 500_000)
    if balanced:
        assert outcome.old[0].start_bytes != address, "a balance moves what the address stands for"
    assert outcome.state is FileState.UNLINKED
    assert set(on_device(loop)).issuperset(place.start_bytes for place in outcome.old[:1])


@pytest.mark.parametrize("profile", ["single", "dup", "raid1", "raid0"])
def test_btrfs_without_copy_on_write_is_overwritten_in_all_its_copies(
    profile: str, loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    loops = [loop_factory(SIZES["btrfs"]) for _ in range(2 if profile.startswith("raid") else 1)]
    paths = [loop.path for loop in loops]
    run("mkfs.btrfs", "-q", "-d", profile, *paths)
    run("btrfs", "device", "scan", *paths)
    point = mounted(paths[0])
    folder = point / "logs"
    folder.mkdir()
    run("chattr", "+C", folder)
    log = write_log(folder / "log", 700_000)
    assert all(on_device(loop) for loop in loops)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert (outcome.reason, outcome.grade) == ("", Grade.PROVEN)
    assert [on_device(loop) for loop in loops] == [[] for _ in loops]


def test_btrfs_raid0_old_places(loop_factory: MakeLoop, mounted: Mount, tmp_path: Path) -> None:
    paths = [loop_factory(SIZES["btrfs"]).path for _ in range(2)]
    run("mkfs.btrfs", "-q", "-d", "raid0", *paths)
    run("btrfs", "device", "scan", *paths)
    log = write_log(mounted(paths[0]) / "log", 500_000)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert_moved(outcome, 500_000)
    assert {place.device for place in outcome.old} == set(paths)


def test_btrfs_compressed_and_inline(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path, undo: ExitStack
) -> None:
    loop = loop_factory(SIZES["btrfs"])
    run("mkfs.btrfs", "-q", loop.path)
    point = mount_with(loop, tmp_path / "m", "compress-force=zlib", undo)
    packed = write_log(point / "packed", 500_000)
    inline = write_log(point / "inline", 200)
    run("sync")
    outcomes = shred([job_for(packed), job_for(inline)], tmp_path)
    assert [(item.predicted, item.grade) for item in outcomes] == [(Grade.MOVED, Grade.MOVED)] * 2
    assert outcomes[0].reason == "it is compressed or otherwise encoded"
    assert outcomes[1].reason == "its bytes lie inside the file system's own blocks"
    assert outcomes[0].standing == outcomes[0].old != ()
    assert outcomes[1].old == ()
    assert all(item.state is FileState.UNLINKED for item in outcomes)


@pytest.mark.parametrize("fs", ["xfs", "btrfs"])
def test_a_reflink_keeps_the_old_bytes(
    fs: str, loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    loop = loop_factory(SIZES[fs])
    point = mounted(loop.path, fs)
    log = write_log(point / "log", 100_000)
    run("cp", "--reflink=always", log, point / "copy")
    run("sync")
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.reason == "it shares its blocks with another file or a snapshot"
    assert_moved(outcome, 100_000)
    assert MARKER[:24] in (point / "copy").read_bytes()


def test_memory_and_layers_are_unprovable(tmp_path: Path, undo: ExitStack) -> None:
    memory, over = tmp_path / "memory", tmp_path / "over"
    memory.mkdir()
    over.mkdir()
    run("mount", "-t", "tmpfs", "none", memory)
    undo.callback(run, "umount", memory)
    for name in ("lower", "upper", "work"):
        (memory / name).mkdir()
    lower = write_log(memory / "lower" / "log", 10_000)
    options = ",".join(f"{key}dir={memory / key}" for key in ("lower", "upper", "work"))
    run("mount", "-t", "overlay", "-o", options, "none", over)
    undo.callback(run, "umount", over)
    plain = write_log(memory / "plain", 10_000)
    outcomes = shred([job_for(plain), job_for(over / "log")], tmp_path)
    assert [item.grade for item in outcomes] == [Grade.UNPROVABLE] * 2
    assert [item.read_back for item in outcomes] == [ReadBack.FILE] * 2
    assert "swap" in outcomes[0].reason
    assert "overlay" in outcomes[1].reason
    assert not plain.exists()
    assert lower.read_bytes().startswith(MARKER), "the lower layer keeps it, so nobody may call it gone"


def test_a_loop_device_is_no_better_than_the_file_behind_it(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    outer = mounted(loop_factory(512 * MIB).path, "btrfs")
    inner = loop_factory(SIZES["ext4"], backing_dir=outer)
    log = write_log(mounted(inner.path, "ext4") / "log", 10_000)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.grade is Grade.MOVED
    assert outcome.reason == f"the file behind {inner.path}: btrfs writes new bytes to a fresh place"


def test_a_partition_of_a_loop_device_is_no_better_either(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    outer = mounted(loop_factory(512 * MIB).path, "btrfs")
    inner = loop_factory(SIZES["ext4"], backing_dir=outer)
    (part,) = inner.partition("label: gpt\nsize=40MiB\n")
    log = write_log(mounted(part, "ext4") / "log", 10_000)
    (outcome,) = shred([job_for(log, accept=frozenset((Grade.PROVEN,)))], tmp_path)
    assert (outcome.state, outcome.predicted) == (FileState.UNTOUCHED, Grade.MOVED)
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.grade is Grade.MOVED
    assert outcome.reason == f"the file behind {part}: btrfs writes new bytes to a fresh place"


def test_what_is_not_accepted_is_left_alone(loop_factory: MakeLoop, mounted: Mount, tmp_path: Path) -> None:
    point = mounted(loop_factory(SIZES["btrfs"]).path, "btrfs")
    log = write_log(point / "log", 10_000)
    facts, content = log.stat(), log.read_bytes()
    (outcome,) = shred([job_for(log, accept=frozenset((Grade.PROVEN,)))], tmp_path)
    assert (outcome.state, outcome.predicted, outcome.grade) == (FileState.UNTOUCHED, Grade.MOVED, None)
    assert outcome.problem == f"{log} would be moved, which is not accepted"
    assert (log.read_bytes(), log.stat().st_mtime_ns) == (content, facts.st_mtime_ns)


def test_a_fresh_file_has_the_owner_and_mode_of_the_old_one(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    log = write_log(mounted(loop_factory(SIZES["ext4"]).path, "ext4") / "log", 100)
    os.chown(log, 33, 4)
    log.chmod(0o640)
    inode = log.stat().st_ino
    (outcome,) = shred([job_for(log, after=After.RECREATE)], tmp_path)
    facts = log.stat()
    assert (facts.st_uid, facts.st_gid, facts.st_mode & 0o7777, facts.st_size) == (33, 4, 0o640, 0)
    assert facts.st_ino != inode
    assert outcome.state is FileState.UNLINKED


def test_without_reading_back_it_is_at_best_in_place(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    log = write_log(mounted(loop_factory(SIZES["ext4"]).path, "ext4") / "log", 100)
    (outcome,) = shred([job_for(log)], tmp_path, read_back=False)
    assert (outcome.grade, outcome.read_back) == (Grade.IN_PLACE, ReadBack.NONE)


def test_a_full_file_system_is_no_hindrance_where_blocks_stay(
    loop_factory: MakeLoop, mounted: Mount, tmp_path: Path
) -> None:
    loop: LoopDevice = loop_factory(16 * MIB)
    point = mounted(loop.path, "ext4")
    log = write_log(point / "log", 100_001)
    with (point / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            pass
    (outcome,) = shred([job_for(log)], tmp_path)
    assert outcome.grade is Grade.PROVEN
    assert on_device(loop) == []
