"""What the boot loader brings beside the kernel: busybox, a few modules, a script, the root as squashfs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from shredder.discover.recovery_image import ImageIdentity
from shredder.image.tools import run_tool

_BUSYBOX = "usr/bin/busybox"
_ALIGNMENT_BYTES = 4


def make_squashfs(root: Path, epoch_s: int, output: Path) -> None:
    """Pack the root.

    Args:
        root: the finished root; everything in it will belong to root.
        epoch_s: the date of everything in it, in seconds since 1970.
        output: the file.
    """
    compression = ["-comp", "zstd", "-Xcompression-level", "22", "-b", "256K"]
    same = ["-all-root", "-no-xattrs", "-all-time", str(epoch_s), "-mkfs-time", str(epoch_s)]
    run_tool(["mksquashfs", root, output, "-noappend", "-quiet", "-no-progress", *compression, *same])


def make_initrd(
    root: Path,
    *,
    squashfs: Path,
    modules: Sequence[Path],
    init: Path,
    identity: ImageIdentity,
    epoch_s: int,
    output: Path,
) -> None:
    """Pack the initial file system.

    Args:
        root: the image's root, which has the busybox.
        squashfs: the packed root.
        modules: loaded in this order before the root is mounted.
        init: the first script.
        identity: named in the first line on the consoles.
        epoch_s: the date of everything in it, in seconds since 1970.
        output: the file; its folder takes the tree too.
    """
    tree = output.parent / "initrd"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copyfile(root / _BUSYBOX, tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    shutil.copyfile(init, tree / "init")
    squashfs.rename(tree / "root.squashfs")
    for module in modules:
        shutil.copyfile(module, tree / "modules" / module.name)
    (tree / "modules/order").write_text("".join(f"{module.name}\n" for module in modules), encoding="ascii")
    banner = f"shredder recovery image {identity.version} digest {identity.digest}\n"
    (tree / "banner").write_text(banner, encoding="utf-8")
    _write(_archive(tree, epoch_s), output)


def _archive(tree: Path, epoch_s: int) -> bytes:
    paths = sorted(tree.rglob("*"))
    for path in paths:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.name in ("init", "busybox") else 0o644)
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)
    names = "".join(f"{path.relative_to(tree)}\0" for path in paths)
    options = ["--create", "--null", "--quiet", "--format=newc", "--owner=+0:+0", "--reproducible"]
    return run_tool(["cpio", *options], stdin=names.encode(), folder=tree)


def _write(archive: bytes, output: Path) -> None:
    """One thread, for the number of threads changes the bytes; padded, so that one can append an archive."""
    packed = run_tool(["zstd", "-T1", "-3", "--quiet", "--stdout"], stdin=archive)
    output.write_bytes(packed + b"\0" * (-len(packed) % _ALIGNMENT_BYTES))
