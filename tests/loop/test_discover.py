"""Discovery on real devices: what it says of them, and that no use of one escapes it."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from shredder.discover import Snapshot, describe, describe_image, find_device, take_snapshot
from shredder.model import Device, DeviceKind, MediumKind, Unavailable, Use, UseKind
from shredder.records import from_json, parse
from tests.support.devices import LoopDevice
from tests.support.machine import run
from tests.support.registry import Registry

MIB = 2**20
LoopFactory = Callable[..., LoopDevice]
Mount = Callable[..., Path]


def look(path: str, own_pids: frozenset[int] = frozenset()) -> Device:
    found = find_device(describe(take_snapshot(own_pids)), path)
    assert found is not None
    return found


def seen_uses(device: Device) -> set[Use]:
    """Leave out what is said of every device where some process does not let itself be looked at."""
    return {use for use in device.uses if use.kind is not UseKind.UNSEEN}


def start(undo: ExitStack, *words: str | Path) -> "subprocess.Popen[str]":
    """Start a process, and wait until it says that it is ready."""
    process = subprocess.Popen(
        [str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    undo.callback(process.communicate)
    undo.callback(process.kill)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_a_fresh_loop_device(loop_factory: LoopFactory, sector_bytes: int) -> None:
    loop = loop_factory(3 * MIB + sector_bytes, sector_bytes=sector_bytes)
    device = look(loop.path)
    assert (device.kind, device.medium) == (DeviceKind.LOOP, MediumKind.LOOP)
    assert device.identity.size_bytes == 3 * MIB + sector_bytes
    assert device.identity.logical_sector_bytes == sector_bytes
    assert device.identity.serial == Unavailable("a loop device has none")
    sequence = Path("/sys/block", Path(loop.path).name, "diskseq").read_text().strip()
    assert device.identity.instance == f"diskseq {sequence}"
    assert device.content == Unavailable("nothing recognised")
    assert not (device.read_only or device.boot or device.is_free_slot)
    assert seen_uses(device) == set()


def test_every_node_of_the_kernel_is_there() -> None:
    machine = describe(take_snapshot(frozenset()))
    names = (node.name for node in Path("/sys/class/block").iterdir())
    nodes = {name.replace("!", "/") for name in names if not name.startswith("ram")}
    assert {device.path.removeprefix("/dev/") for device in machine.devices} >= nodes


def test_the_device_under_the_root_is_boot_and_mounted() -> None:
    facts = Path("/").stat()
    node = Path("/sys/dev/block", f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}")
    if not node.exists():
        pytest.skip("/ is on no block device")
    device = look(f"/dev/{node.resolve().name}")
    assert device.boot
    assert Use(UseKind.MOUNT, device.path, "/") in device.uses


def test_a_mount_with_a_blank_in_its_name(loop_factory: LoopFactory, tmp_path: Path, undo: ExitStack) -> None:
    loop = loop_factory(16 * MIB)
    run("mkfs.ext4", "-q", loop.path)
    point = tmp_path / "a blank"
    point.mkdir()
    run("mount", loop.path, point)
    undo.callback(run, "umount", point)
    device = look(loop.path)
    assert device.content == "ext4"
    assert seen_uses(device) == {Use(UseKind.MOUNT, loop.path, str(point))}


@pytest.mark.parametrize("sector_bytes", [512, 4096])
@pytest.mark.parametrize("label", ["gpt", "dos"])
def test_a_mounted_partition_is_a_use_of_its_disk(
    loop_factory: LoopFactory, mounted: Mount, label: str, sector_bytes: int
) -> None:
    loop = loop_factory(64 * MIB, sector_bytes=sector_bytes)
    first, second = loop.partition(f"label: {label}\nsize=20MiB\nsize=20MiB\n")
    point = mounted(second, "ext4")
    disk = look(loop.path)
    assert disk.partitions == (first, second)
    assert disk.content == f"{label} partition table"
    named = run("sfdisk", "--disk-id", loop.path).strip().lower().removeprefix("0x")
    assert disk.identity.partition_table_uuid == named
    use = Use(UseKind.MOUNT, second, str(point))
    assert seen_uses(disk) == {use}
    part = look(second)
    assert (part.kind, part.parent, part.medium) == (DeviceKind.PARTITION, loop.path, MediumKind.LOOP)
    assert part.identity.size_bytes == 20 * MIB
    assert part.identity.start_bytes == disk_start(second)
    assert part.identity.partition_table_uuid == named
    assert part.identity.instance == disk.identity.instance
    assert seen_uses(part) == {use}
    assert seen_uses(look(first)) == set()


def disk_start(path: str) -> int:
    return int(Path("/sys/class/block", Path(path).name, "start").read_text()) * 512


def test_both_devices_of_a_btrfs_are_mounted(loop_factory: LoopFactory, mounted: Mount) -> None:
    one, two = loop_factory(128 * MIB), loop_factory(128 * MIB)
    run("mkfs.btrfs", "-q", one.path, two.path)
    run("btrfs", "device", "scan", one.path, two.path)
    point = mounted(one.path)
    for loop in (one, two):
        assert seen_uses(look(loop.path)) == {Use(UseKind.MOUNT, loop.path, str(point))}


def test_a_mount_in_another_namespace(loop_factory: LoopFactory, tmp_path: Path, undo: ExitStack) -> None:
    loop = loop_factory(16 * MIB)
    run("mkfs.ext4", "-q", loop.path)
    process = start(
        undo, "unshare", "--mount", "sh", "-c", f"mount {loop.path} {tmp_path} && echo ready && read x"
    )
    by = f"{tmp_path} as process {process.pid} (sh) sees it"
    assert seen_uses(look(loop.path)) == {Use(UseKind.MOUNT, loop.path, by)}


def test_a_mount_is_seen_whatever_root_the_first_process_of_its_namespace_has(
    loop_factory: LoopFactory, tmp_path: Path, undo: ExitStack
) -> None:
    """A chrooted process sees no mounts outside its root; another one of its namespace does."""
    loop = loop_factory(16 * MIB)
    run("mkfs.ext4", "-q", loop.path)
    point = tmp_path / "point"
    point.mkdir()
    inner = f"read go && mount {loop.path} {point} && echo ready && read x"
    code = (
        "import os, subprocess\n"
        f"inner = subprocess.Popen(['sh', '-c', {inner!r}], stdin=subprocess.PIPE)\n"
        "os.chroot('/proc')\n"
        "os.write(inner.stdin.fileno(), b'go\\n')\n"
        "inner.wait()\n"
    )
    start(undo, "unshare", "--mount", sys.executable, "-c", code)
    assert [use.kind for use in seen_uses(look(loop.path))] == [UseKind.MOUNT]


def test_swap_on_zram(zram_factory: Callable[[int], str], undo: ExitStack) -> None:
    path = zram_factory(16 * MIB)
    run("mkswap", path)
    run("swapon", path)
    undo.callback(run, "swapoff", path)
    device = look(path)
    assert (device.kind, device.medium) == (DeviceKind.ZRAM, MediumKind.ZRAM)
    assert seen_uses(device) == {Use(UseKind.SWAP, path, "swap")}


def attach(undo: ExitStack, registry: Registry, node: str | Path) -> str:
    """Put a read-only loop device on a block device."""
    upper = run("losetup", "--show", "-f", "--read-only", node).strip()
    undo.callback(run, "losetup", "--detach", upper)
    undo.callback(registry.remove, registry.add(upper))
    return upper


def test_a_loop_device_on_a_partition_and_what_is_on_it(
    loop_factory: LoopFactory, registry: Registry, undo: ExitStack, tmp_path: Path
) -> None:
    loop = loop_factory(64 * MIB)
    (part,) = loop.partition("label: gpt\nsize=32MiB\n")
    run("mkfs.ext4", "-q", part)
    upper = attach(undo, registry, part)
    run("mount", "-o", "ro,noload", upper, tmp_path)
    undo.callback(run, "umount", tmp_path)
    expected = {
        Use(UseKind.LOOP, part, Path(upper).name),
        Use(UseKind.MOUNT, part, f"{tmp_path} through {Path(upper).name}"),
    }
    assert seen_uses(look(loop.path)) == seen_uses(look(part)) == expected
    assert look(upper).read_only


def test_a_loop_device_on_a_node_of_another_name_that_is_gone(
    loop_factory: LoopFactory, registry: Registry, undo: ExitStack, tmp_path: Path
) -> None:
    loop = loop_factory(4 * MIB)
    node = tmp_path / "node"
    os.mknod(node, 0o600 | stat.S_IFBLK, Path(loop.path).stat().st_rdev)
    upper = attach(undo, registry, node)
    node.unlink()
    assert seen_uses(look(loop.path)) == {Use(UseKind.LOOP, loop.path, Path(upper).name)}


HOLDING = {
    "descriptor": "file = open(path, 'rb')",
    "mapping": "file = open(path, 'rb'); kept = mmap.mmap(file.fileno(), 4096, prot=1); os.closerange(3, 99)",
}


@pytest.mark.parametrize("holding", HOLDING)
def test_a_process_on_a_partition(loop_factory: LoopFactory, undo: ExitStack, holding: str) -> None:
    loop = loop_factory(16 * MIB)
    first, second = loop.partition("label: gpt\nsize=4MiB\nsize=4MiB\n")
    code = (
        f"import mmap, os, sys; path = sys.argv[1]; {HOLDING[holding]}; print('ready', flush=True); input()"
    )
    process = start(undo, sys.executable, "-c", code, second)
    name = Path(f"/proc/{process.pid}/comm").read_text().strip()
    expected = {Use(UseKind.OPEN, second, f"process {process.pid} ({name})")}
    assert seen_uses(look(loop.path)) == seen_uses(look(second)) == expected
    assert seen_uses(look(first)) == set()
    assert seen_uses(look(loop.path, frozenset({process.pid}))) == set()


def test_a_disk_that_was_made_read_only(loop_factory: LoopFactory, undo: ExitStack) -> None:
    loop = loop_factory(4 * MIB)
    run("blockdev", "--setro", loop.path)
    undo.callback(run, "blockdev", "--setrw", loop.path)
    assert look(loop.path).read_only


def test_a_device_by_a_link_to_it(loop_factory: LoopFactory, tmp_path: Path) -> None:
    loop = loop_factory(4 * MIB)
    (tmp_path / "link").symlink_to(loop.path)
    assert look(str(tmp_path / "link")).path == loop.path


def test_an_image_behind_a_loop_device(loop_factory: LoopFactory, tmp_path: Path) -> None:
    loop = loop_factory(4 * MIB, backing_dir=tmp_path)
    by = Path(loop.path).name
    image = describe_image(str(loop.backing))
    assert image.uses == (Use(UseKind.LOOP, str(loop.backing), by),)
    other = tmp_path / "other-name"
    other.hardlink_to(loop.backing)
    assert describe_image(str(other)).uses == (Use(UseKind.LOOP, str(other), by),)
    with pytest.raises(Exception, match="is a block device"):
        describe_image(loop.path)


def test_without_lsblk_there_is_a_reason(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop = loop_factory(4 * MIB)
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = describe(take_snapshot(frozenset()))
    assert "blkinfo: unavailable: lsblk is not there" in machine.notes
    assert find_device(machine, loop.path) is not None


@pytest.mark.parametrize("said", ["exit 1", "echo nonsense", "printf '\\377\\n'", "echo '{}'"])
def test_a_broken_lsblk_is_no_crash(said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "lsblk"
    broken.write_text(f"#!/bin/sh\n{said}\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert isinstance(take_snapshot(frozenset()).witness, Unavailable)


def test_without_udev_blkid_says_what_a_node_holds(
    loop_factory: LoopFactory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    loop = loop_factory(16 * MIB)
    run("mkswap", loop.path)
    assert look(loop.path).content == "swap"
    if Path("/run/udev/control").exists():
        return
    broken = tmp_path / "blkid"
    broken.write_text('#!/bin/sh\necho TYPE=ext4; echo "blkid: error: $4: Broken down" >&2\nexit 2\n')
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert look(loop.path).content == Unavailable("blkid: broken down")


def test_a_user_without_rights_sees_the_devices_and_is_told_what_is_missing(
    loop_factory: LoopFactory, tmp_path: Path
) -> None:
    loop = loop_factory(4 * MIB)
    code = (
        "import os, sys\n"
        "from shredder.discover import take_snapshot\n"
        "from shredder.records import canonical\n"
        "import blkinfo, pyudev, subprocess, uuid, json\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "sys.stdout.buffer.write(canonical(take_snapshot(frozenset())))\n"
    )
    snapshot = from_json(Snapshot, parse(run(sys.executable, "-c", code), "stdout"), "stdout")
    assert snapshot.unread_processes > 0
    device = find_device(describe(snapshot), loop.path)
    assert device is not None
    assert device.identity.size_bytes == 4 * MIB
    assert UseKind.UNSEEN in {use.kind for use in device.uses}
    if not Path("/run/udev/control").exists():
        assert device.content == Unavailable("only root may look")


def test_looking_is_quick() -> None:
    took_s = []
    for _ in range(3):
        started = time.perf_counter()
        describe(take_snapshot(frozenset()))
        took_s.append(time.perf_counter() - started)
    assert min(took_s) < 0.5
