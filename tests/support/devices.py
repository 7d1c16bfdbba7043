"""Loop and zram devices made for one test, and gone after it, however it ended."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.machine import run
from tests.support.registry import Registry

_ZRAM_CONTROL = Path("/sys/class/zram-control")
_GONE_WITHIN_S = 5.0


class LoopDevice:
    """A loop device over a file of its own.

    `path` is what losetup returned, `backing` the file behind it: read that to see what was
    written, without going through the program under test.
    """

    def __init__(self, path: str, backing: Path, registry: Registry) -> None:
        self.path = path
        self.backing = backing
        self._registry = registry
        self._numbers = [registry.add(path)]

    @property
    def is_attached(self) -> bool:
        """True while the kernel holds this path over this file."""
        listed = run("losetup", "--associated", self.backing, "--noheadings", "--list", "--output", "NAME")
        return self.path in listed.split()

    def partition(self, script: str) -> list[str]:
        """Write a partition table and have the kernel take it.

        Args:
            script: what sfdisk reads, e.g. "label: gpt\\nsize=16MiB\\nsize=16MiB\\n".

        Returns:
            The partitions' paths.
        """
        run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", self.path, input=script)
        run("blockdev", "--flushbufs", self.path)
        run("partx", "--add", self.path)
        paths = [str(path) for path in sorted(Path("/dev").glob(f"{Path(self.path).name}p*"), key=_number)]
        self._numbers += [self._registry.add(path) for path in paths]
        return paths

    def detach(self) -> None:
        """Give the device back to the kernel, and see that it is gone."""
        if not self.is_attached:
            self._unregister()
            return
        try:
            make_blank(self.path)
        finally:
            self._unregister()
            run("losetup", "--detach", self.path)
        patience_ends = time.monotonic() + _GONE_WITHIN_S
        while self.is_attached:  # the kernel waits for the last one who has it open
            assert time.monotonic() < patience_ends, f"{self.path} is still attached to {self.backing}"
            time.sleep(0.02)

    def _unregister(self) -> None:
        while self._numbers:
            self._registry.remove(self._numbers.pop())


def _number(path: Path) -> int:
    return int(path.name.rpartition("p")[2])


def make_blank(device: str) -> None:
    """Take away what the kernel keeps when a loop device is detached: partition nodes, a read-only mark."""
    patience_ends = time.monotonic() + _GONE_WITHIN_S
    while any(Path("/sys/block", Path(device).name).glob("*/partition")):
        try:
            run("partx", "--delete", device)
        except AssertionError:  # whoever looks at all disks of a machine opens each for a moment
            assert time.monotonic() < patience_ends
            time.sleep(0.05)
    run("blockdev", "--setrw", device)


class Ground:
    """Makes devices and mounts for one test, and takes them away in reverse order."""

    def __init__(self, registry: Registry, folder: Path, undo: ExitStack) -> None:
        self._registry = registry
        self._folder = folder
        self._undo = undo
        self._made = 0

    def make_loop(
        self,
        size_bytes: int,
        *,
        sector_bytes: int = 512,
        direct_io: bool = False,
        backing_dir: Path | None = None,
    ) -> LoopDevice:
        """Attach a fresh sparse file of `size_bytes` as a loop device."""
        backing = self._fresh_name(backing_dir or self._folder, "loop").with_suffix(".img")
        self._undo.callback(backing.unlink, missing_ok=True)
        with backing.open("xb") as file:
            file.truncate(size_bytes)
        options = [f"--sector-size={sector_bytes}", f"--direct-io={'on' if direct_io else 'off'}"]
        device = LoopDevice(
            run("losetup", "--show", "-f", *options, backing).strip(), backing, self._registry
        )
        self._undo.callback(device.detach)
        make_blank(device.path)
        return device

    def make_zram(self, size_bytes: int) -> str:
        """Add a zram device of `size_bytes`; returns its path."""
        try:
            number = (_ZRAM_CONTROL / "hot_add").read_text().strip()
        except OSError as error:
            pytest.skip(f"no zram devices: {error}")
        path = f"/dev/zram{number}"
        self._undo.callback((_ZRAM_CONTROL / "hot_remove").write_text, number)
        allowed = self._registry.add(path)
        self._undo.callback(self._registry.remove, allowed)
        Path(f"/sys/block/zram{number}/disksize").write_text(str(size_bytes))
        return path

    def mount(self, device: str, fs: str | None = None) -> Path:
        """Mount `device`, with a new file system of kind `fs` where one is named; returns the mount point."""
        if fs:
            run(f"mkfs.{fs}", "-q", device)
        point = self._fresh_name(self._folder, "mount")
        point.mkdir()
        run("mount", device, point)
        self._undo.callback(_unmount, point)
        return point

    def _fresh_name(self, folder: Path, kind: str) -> Path:
        self._made += 1
        return folder / f"{kind}-{self._made}"


def _unmount(point: Path) -> None:
    if point.is_mount():
        run("umount", point)
