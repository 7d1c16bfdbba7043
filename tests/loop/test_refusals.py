"""What must never be wiped, on real devices that really are in use."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.plan.documents import read_plan, write_plan
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool
from tests.support.registry import Registry
from tests.support.runs import digest_of, plan, verify, wipe

MIB = 1 << 20
_BEFORE_EXT4 = 1024  # a mounted file system writes behind this at any moment
LoopFactory = Callable[..., LoopDevice]
TWO_PARTITIONS = "label: gpt\nstart=1MiB, size=40MiB\nsize=40MiB\n"


def _refused(
    shredder: Shredder,
    loop: LoopDevice,
    *words: str,
    target: str | None = None,
    kept_bytes: int | None = None,
) -> str:
    """Both plan and wipe refuse, say why, and leave every byte (of the first `kept_bytes`) as it was."""
    before = loop.backing.read_bytes()[:kept_bytes]
    words = (target or loop.path, *words, *allow_words())
    said = shredder("plan", *words, expect=3).stderr
    assert shredder("wipe", *words, "--confirm", "0" * 64, expect=3).stderr
    same = loop.backing.read_bytes()[:kept_bytes] == before
    assert same, f"{loop.path} was written to"
    return said


def test_a_mounted_disk(loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder) -> None:
    loop = loop_factory(64 * MIB)
    point = mounted(loop.path, "ext4")
    said = _refused(shredder, loop, kept_bytes=_BEFORE_EXT4)
    assert str(point) in said
    assert "--allow" not in said, "nothing lifts a mount"


def test_a_mount_on_one_partition_refuses_the_disk_but_not_the_other_partition(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(96 * MIB)
    first, second = loop.partition(TWO_PARTITIONS)
    point = mounted(first, "ext4")
    (point / "keep").write_text("still here")
    assert str(point) in _refused(shredder, loop, kept_bytes=MIB)
    assert str(point) in _refused(shredder, loop, target=first, kept_bytes=MIB)
    run = wipe(shredder, tmp_path / "run", second)
    verify(shredder, run)
    run_tool("umount", point)
    run_tool("e2fsck", "-fn", first)


def test_a_swap_device(loop_factory: LoopFactory, shredder: Shredder, undo: ExitStack) -> None:
    loop = loop_factory(64 * MIB)
    run_tool("mkswap", loop.path)
    try:
        run_tool("swapon", loop.path)
    except AssertionError as error:
        pytest.skip(f"the kernel takes no swap here: {error}")
    undo.callback(run_tool, "swapoff", loop.path)
    # behind the header the kernel itself may write at any moment
    assert "swap" in _refused(shredder, loop, kept_bytes=4096)


def test_a_loop_device_on_a_partition_or_on_the_disk(
    loop_factory: LoopFactory, shredder: Shredder, undo: ExitStack
) -> None:
    loop = loop_factory(96 * MIB)
    first, _ = loop.partition(TWO_PARTITIONS)
    on_top = run_tool("losetup", "--show", "-f", first).strip()
    undo.callback(run_tool, "losetup", "-d", on_top)
    assert Path(on_top).name in _refused(shredder, loop)
    assert Path(on_top).name in _refused(shredder, loop, target=first)


def test_a_process_that_has_a_partition_open(loop_factory: LoopFactory, shredder: Shredder) -> None:
    loop = loop_factory(96 * MIB)
    first, _ = loop.partition(TWO_PARTITIONS)
    descriptor = os.open(first, os.O_RDONLY)
    try:
        said = _refused(shredder, loop)
        assert "process" in said
        assert "hint: if you know better: --allow open" in said
    finally:
        os.close(descriptor)


def test_a_process_that_opens_a_partition_after_the_plan(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(96 * MIB)
    first, second = loop.partition(TWO_PARTITIONS)
    file = tmp_path / "plan.json"
    digest = plan(shredder, file, loop.path)
    descriptor = os.open(first, os.O_RDONLY)
    try:
        shredder("wipe", file, "--confirm", digest, expect=3)
    finally:
        os.close(descriptor)
    assert Path(first).exists()
    assert Path(second).exists()
    shredder("wipe", file, "--confirm", digest, "--output", tmp_path / "run")


def test_the_backing_file_of_a_loop_device(loop_factory: LoopFactory, shredder: Shredder) -> None:
    loop = loop_factory(MIB)
    before = loop.backing.read_bytes()
    shredder("plan", loop.backing, expect=2)
    said = shredder("plan", loop.backing, "--image", expect=3).stderr
    assert Path(loop.path).name in said
    assert loop.backing.read_bytes() == before


def test_an_image_that_somebody_has_open(shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * MIB)
    digest = digest_of(shredder, image, "--image")
    with image.open("rb"):
        done = shredder(
            "wipe", image, "--image", "--confirm", digest, "--output", tmp_path / "run", expect=None
        )
    assert done.returncode in (3, 4)
    assert image.read_bytes() == b"x" * MIB


def test_a_second_shredder_on_the_same_device(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    file = tmp_path / "plan.json"
    digest = plan(shredder, file, loop.path)
    descriptor = os.open(loop.path, os.O_RDWR | os.O_EXCL)
    try:
        said = shredder("wipe", file, "--confirm", digest, expect=3).stderr
    finally:
        os.close(descriptor)
    assert "process" in said


def test_two_names_of_one_device(loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path) -> None:
    loop = loop_factory(MIB)
    alias = tmp_path / "alias"
    alias.symlink_to(loop.path)
    assert shredder("plan", loop.path, alias, *allow_words(), expect=None).returncode in (2, 3)


def test_a_disk_and_its_partition(loop_factory: LoopFactory, shredder: Shredder) -> None:
    loop = loop_factory(96 * MIB)
    first, _ = loop.partition(TWO_PARTITIONS)
    assert shredder("plan", loop.path, first, *allow_words(), expect=None).returncode in (2, 3, 4)


def test_a_device_that_was_attached_anew_is_not_the_planned_one(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path, registry: Registry
) -> None:
    loop = loop_factory(MIB)
    file = tmp_path / "plan.json"
    digest = plan(shredder, file, loop.path)
    path, backing = loop.path, loop.backing
    run_tool("losetup", "-d", path)
    run_tool("losetup", path, backing)
    said = shredder("wipe", file, "--confirm", digest, expect=3).stderr
    assert "diskseq" in said
    assert backing.read_bytes() == bytes(MIB)


def test_a_changed_size_is_refused(loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path) -> None:
    loop = loop_factory(MIB)
    file = tmp_path / "plan.json"
    digest = plan(shredder, file, loop.path)
    os.truncate(loop.backing, 2 * MIB)
    run_tool("losetup", "--set-capacity", loop.path)
    assert "size" in shredder("wipe", file, "--confirm", digest, expect=3).stderr


def test_an_edited_plan_is_refused(loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path) -> None:
    one, other = loop_factory(MIB), loop_factory(MIB)
    file = tmp_path / "plan.json"
    digest = plan(shredder, file, one.path)
    file.write_text(file.read_text().replace(one.path, other.path))
    shredder("wipe", file, "--confirm", digest, expect=3)
    file.write_text(file.read_text()[:200])
    shredder("wipe", file, "--confirm", digest, expect=2)
    assert other.backing.read_bytes() == bytes(MIB)


def test_without_confirmation_nothing_happens(loop_factory: LoopFactory, shredder: Shredder) -> None:
    loop = loop_factory(MIB)
    loop.backing.write_bytes(b"x" * MIB)
    digest = digest_of(shredder, loop.path, *allow_words())
    said = shredder("wipe", loop.path, *allow_words(), expect=3).stderr
    assert "not confirmed" in said
    assert digest in said, "who is to confirm a plan must see it"
    said = shredder("wipe", loop.path, *allow_words(), "--confirm", "ab", expect=3).stderr
    assert "not that of this plan" in said
    assert digest not in said
    assert loop.backing.read_bytes() == b"x" * MIB


def test_an_output_folder_on_the_target(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder
) -> None:
    loop = loop_factory(64 * MIB)
    point = mounted(loop.path, "ext4")
    said = shredder(
        "wipe", loop.path, *allow_words(), "--confirm", "0" * 64, "--output", point / "run", expect=3
    ).stderr
    assert str(point) in said


def test_a_full_disk_under_the_output_folder_is_found_before_the_first_write(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder
) -> None:
    target, disk = loop_factory(MIB), loop_factory(16 * MIB)
    target.backing.write_bytes(b"x" * MIB)
    point = mounted(disk.path, "ext4")
    with (point / "filler").open("wb") as file:
        left = shutil.disk_usage(point).free
        file.write(bytes(max(0, left - MIB)))
    digest = digest_of(shredder, target.path)
    said = shredder(
        "wipe", target.path, *allow_words(), "--confirm", digest, "--output", point / "run", expect=3
    ).stderr
    assert "No space left" in said
    assert target.backing.read_bytes() == b"x" * MIB


def test_a_read_only_device(loop_factory: LoopFactory, shredder: Shredder, undo: ExitStack) -> None:
    loop = loop_factory(MIB)
    run_tool("blockdev", "--setro", loop.path)
    # the kernel keeps the flag for whoever gets this loop device next
    undo.callback(run_tool, "blockdev", "--setrw", loop.path)
    assert "read-only" in _refused(shredder, loop)


def test_what_is_no_target_at_all(shredder: Shredder, tmp_path: Path) -> None:
    assert "no such device" in shredder("plan", "/dev/does-not-exist", expect=2).stderr
    shredder("plan", "/dev/null", expect=2)
    os.mkfifo(tmp_path / "fifo")
    shredder("plan", tmp_path / "fifo", "--image", expect=None)
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for name in ("fifo", "link", "missing"):
        done = shredder("plan", tmp_path / name, "--image", expect=None)
        assert done.returncode in (2, 3)
    (tmp_path / "empty").write_bytes(b"")
    assert "size" in shredder("plan", tmp_path / "empty", "--image", expect=3).stderr


def test_not_root(loop_factory: LoopFactory) -> None:
    loop = loop_factory(MIB)
    # it may read everything, as the interpreter may lie where only root can go
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    drop += ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    done = subprocess.run(
        [*drop, sys.executable, "-m", "shredder", "plan", loop.path],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 3, done.stderr
    assert "root" in done.stderr


def test_one_refused_target_does_not_hold_up_the_others(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder, tmp_path: Path
) -> None:
    busy, free = loop_factory(64 * MIB), loop_factory(MIB)
    file = tmp_path / "plan.json"
    run_tool("mkfs.ext4", "-q", busy.path)
    digest = plan(shredder, file, busy.path, free.path)
    point = mounted(busy.path)
    before = busy.backing.read_bytes()[:_BEFORE_EXT4]
    shredder("wipe", file, "--confirm", digest, "--output", tmp_path / "run", expect=4)
    assert busy.backing.read_bytes()[:_BEFORE_EXT4] == before
    assert free.backing.read_bytes() != bytes(MIB)
    shown = shredder("certificate", "show", tmp_path / "run" / "certificate.json", expect=4).stdout
    assert f"device {busy.path}: refused" in shown
    assert str(point) in shown
    assert f"device {free.path}: erased, verified in full" in shown


def test_a_node_that_leads_to_another_device(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    named, behind = loop_factory(MIB), loop_factory(MIB)
    for loop in (named, behind):
        loop.backing.write_bytes(b"x" * MIB)
    digest = plan(shredder, tmp_path / "plan.json", named.path)
    wipe_it = (
        f"{sys.executable} -m shredder wipe {tmp_path}/plan.json --confirm {digest} --output {tmp_path}/run"
    )
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", f"mount --bind {behind.path} {named.path} && exec {wipe_it}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (3, 4), done.stderr
    assert named.backing.read_bytes() == b"x" * MIB
    assert behind.backing.read_bytes() == b"x" * MIB


def test_a_plan_is_never_written_over_something(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    image = tmp_path / "disk.img"
    image.write_bytes(b"x" * 8192)
    shredder("plan", image, "--image", "-o", image, expect=2)
    shredder("plan", image, "--image", "-o", loop.path, expect=2)
    assert image.read_bytes() == b"x" * 8192
    assert loop.backing.read_bytes() == bytes(MIB)


def test_an_image_in_a_lower_layer_of_an_overlay(shredder: Shredder, tmp_path: Path, undo: ExitStack) -> None:
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    below = tmp_path / "lower" / "disk.img"
    below.write_bytes(b"x" * 8192)
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    run_tool("mount", "-t", "overlay", "overlay", "-o", layers, tmp_path / "merged")
    undo.callback(run_tool, "umount", tmp_path / "merged")
    image = tmp_path / "merged" / "disk.img"
    digest = digest_of(shredder, image, "--image")
    words = (image, "--image", "--confirm", digest, "--output", tmp_path / "refused")
    assert "not the device that was planned" in shredder("wipe", *words, expect=3).stdout
    assert below.read_bytes() == b"x" * 8192
    own = tmp_path / "merged" / "own.img"
    own.write_bytes(b"x" * 8192)
    wipe(shredder, tmp_path / "run", own, "--image")


def test_an_image_on_a_copying_file_system_is_refused_unless_that_is_allowed(
    loop_factory: LoopFactory, mounted: Callable[..., Path], shredder: Shredder, tmp_path: Path
) -> None:
    image = mounted(loop_factory(128 * MIB).path, "btrfs") / "disk.img"
    image.write_bytes(b"x" * 8192)
    assert "btrfs" in shredder("plan", image, "--image", expect=3).stderr
    run = wipe(shredder, tmp_path / "run", image, "--image", "--allow", "copies")
    assert "lies on btrfs" in shredder("certificate", "show", run.certificate).stdout


def test_a_new_file_under_the_old_name_is_not_the_planned_one(shredder: Shredder, tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"old" * 4096)
    digest = digest_of(shredder, image, "--image")
    image.unlink()
    image.write_bytes(b"new" * 4096)
    words = (image, "--image", "--confirm", digest, "--output", tmp_path / "run")
    shredder("wipe", *words, expect=3)
    assert image.read_bytes() == b"new" * 4096


def test_a_description_edited_into_a_plan_is_refused(
    loop_factory: LoopFactory, shredder: Shredder, tmp_path: Path
) -> None:
    loop = loop_factory(MIB)
    file = tmp_path / "plan.json"
    plan(shredder, file, loop.path)
    made = read_plan(file.read_text(), "plan.json")
    forged = replace(made, steps=(replace(made.steps[0], model="A. N. Other"),))
    file.write_text(write_plan(forged))
    assert "model" in shredder("wipe", file, "--confirm", forged.digest, expect=3).stderr
    assert loop.backing.read_bytes() == bytes(MIB)
