"""Volumes that bring the configuration or take the certificate: labelled SHREDDER, removable or lent to read.

A label on an internal disk means nothing: whoever used the machine may have put it there. Neither does its
write protection, for SCSI disks, NVMe namespaces and eMMC boot partitions let software set it; that of a
virtio or Xen disk is the hypervisor's word. Only volumes that may count are looked at, and none is ever
mounted that does not.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shredder.errors import RefusedError

LABEL = "SHREDDER"
RAM_FOLDER = Path("/run/shredder")

_CLASS = Path("/sys/class/block")
_TIMEOUT_S = 60
_LENT = ("vd", "xvd")
_NEVER_WRITTEN = "iso9660"
_READABLE = "the recovery image knows FAT, exFAT and ISO 9660"


@dataclass(frozen=True, slots=True)
class Volume:
    """One such volume.

    `path` is its node (a partition or a whole disk), `disk` that of the whole disk; `removable` and
    `read_only` are the disk's.
    """

    path: str
    disk: str
    filesystem: str
    removable: bool
    read_only: bool

    @property
    def can_be_written(self) -> bool:
        """True when it can take files and be carried away."""
        return self.removable and not self.read_only and self.filesystem != _NEVER_WRITTEN


@dataclass(frozen=True, slots=True)
class Node:
    """One block node that may carry such a volume, by kernel names."""

    name: str
    disk: str
    removable: bool
    read_only: bool


def find_volumes() -> tuple[Volume, ...]:
    """Return the volumes that are there now, in the order of their names."""
    return choose_volumes(list_nodes(_CLASS), probe)


def list_nodes(block_class: Path) -> tuple[Node, ...]:
    """Return the nodes of removable disks and of virtual ones that are read-only, with their partitions.

    Args:
        block_class: /sys/class/block, or a folder like it.

    A node without a device behind it (loop, zram, device-mapper, md) is never one of them.
    """
    found = []
    for link in sorted(block_class.iterdir()):
        node = link.resolve()
        disk = node.parent if (node / "partition").exists() else node
        removable, read_only = _reads_one(disk / "removable"), _reads_one(disk / "ro")
        counts = removable or (read_only and disk.name.startswith(_LENT))
        if (disk / "device").exists() and counts and not disk.name.startswith("fd"):
            found.append(Node(node.name, disk.name, removable, read_only))
    return tuple(found)


def _reads_one(path: Path) -> bool:
    try:
        return path.read_text().strip() == "1"
    except OSError:  # it was pulled meanwhile
        return False


def choose_volumes(nodes: tuple[Node, ...], look: Callable[[str], dict[str, str]]) -> tuple[Volume, ...]:
    """Return the nodes that carry a volume with our label.

    Args:
        nodes: from `list_nodes`.
        look: returns what a device holds, by libblkid's names.

    One with a file system that the kernel does not have is among them: to mount it is an error that is shown.
    """
    found = []
    for node in nodes:
        path = _device_path(node.name)
        content = look(path)
        if content.get("LABEL") == LABEL:
            disk, kind = _device_path(node.disk), content.get("TYPE", "")
            found.append(Volume(path, disk, kind, node.removable, node.read_only))
    return tuple(found)


def _device_path(name: str) -> str:
    return f"/dev/{name.replace('!', '/')}"


def probe(path: str) -> dict[str, str]:
    """Return what libblkid sees on a device now, e.g. its TYPE and LABEL; nothing when it cannot tell.

    Args:
        path: the device; it is only read.
    """
    words = ["blkid", "--probe", "--output", "export", "--match-tag", "TYPE", "--match-tag", "LABEL", path]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


@contextmanager
def mounted(volume: Volume, *, writable: bool, ram_folder: Path = RAM_FOLDER) -> Iterator[Path]:
    """Mount a volume, and unmount it afterwards: only then is what was written on the medium.

    Args:
        volume: from `find_volumes`.
        writable: else it is mounted read-only.
        ram_folder: the mount point is made below it.

    Raises:
        RefusedError: it cannot be mounted, or not unmounted.
    """
    options = f"nosuid,nodev,noexec,{'rw' if writable else 'ro'}"
    try:
        ram_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        point = Path(tempfile.mkdtemp(prefix="volume-", dir=ram_folder))
    except OSError as error:
        raise RefusedError(f"{ram_folder} could not be used: {error.strerror}") from None
    try:
        words = ("mount", "-t", volume.filesystem, "-o", options, volume.path, point)
        _run(f"{volume.path} could not be mounted", *words, hint=_READABLE)
        try:
            yield point
        finally:
            _run(f"{volume.path} could not be unmounted", "umount", point)
    finally:
        # it stays when it could not be unmounted, which is said then
        with suppress(OSError):
            point.rmdir()


def _run(failure: str, *words: str | Path, hint: str | None = None) -> None:
    try:
        done = subprocess.run(
            [str(word) for word in words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RefusedError(f"{failure}: it took too long") from None
    except OSError as error:
        raise RefusedError(f"{failure}: {words[0]}: {error.strerror}") from None
    if done.returncode != 0:
        # mount gives the reason first, and then where to read on
        said = done.stderr.strip().splitlines()
        raise RefusedError(f"{failure}: {said[0].strip() if said else 'no reason given'}", hint=hint)
