"""Keeps the tests, and every Python they start, from writing to a device that they did not make.

An audit hook cannot be taken away again and sees every open, whoever calls it. A block device
may be opened for writing only when its "major:minor" is a line of the file that SHREDDER_TEST_DEVICES
names; without that file no device may. Each refusal is also noted beside the file, so that a test
fails even when the program under test swallows the exception.
"""

import fcntl
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

REGISTRY_VARIABLE = "SHREDDER_TEST_DEVICES"

# Programs that do not write to the devices they are given; all others may only have registered ones.
# Python and shredder carry the guard themselves.
_LOOKING = ("losetup", "lsblk", "blkid", "findmnt", "udevadm", "umount", "python", "shredder")

# These act on a device through a descriptor that was opened only for reading.
_BLKROSET, _BLKRRPART, _BLKPG = 0x125D, 0x125F, 0x1269
_BLKDISCARD, _BLKSECDISCARD, _BLKZEROOUT = 0x1277, 0x127D, 0x127F
_CHANGING_IOCTLS = frozenset((_BLKROSET, _BLKRRPART, _BLKPG, _BLKDISCARD, _BLKSECDISCARD, _BLKZEROOUT))


class ForeignDeviceError(AssertionError):
    """A device that the tests did not make would have been written to."""


def device_number(path: str | os.PathLike[str]) -> str:
    """Return "major:minor" of the block device that `path` leads to."""
    facts = Path(path).stat()
    if not stat.S_ISBLK(facts.st_mode):
        raise ValueError(f"not a block device: {path}")
    return _number(facts)


def refusals_file(registry: Path) -> Path:
    """Return the file beside the registry that holds one line a refusal."""
    return registry.with_name(registry.name + ".refused")


def install() -> None:
    """Put the hook into this process, once."""
    if not hasattr(sys, "_shredder_device_guard"):
        setattr(sys, "_shredder_device_guard", True)  # noqa: B010 - mypy knows no such attribute
        sys.addaudithook(_watch)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = args
        if isinstance(flags, int) and flags & os.O_ACCMODE and not flags & os.O_PATH:
            _check_open(path)
    elif event == "fcntl.ioctl":
        if args[1] in _CHANGING_IOCTLS:
            _check_facts(os.fstat(args[0]), f"ioctl {args[1]:#x}")
    elif event == "subprocess.Popen":
        _check_command(args[0], args[1])


def _check_open(path: Any) -> None:
    if isinstance(path, int):
        _check_facts(os.fstat(path), f"descriptor {path}")
        return
    for facts in _leads_to(path):
        _check_facts(facts, os.fsdecode(path))


def _leads_to(path: Any) -> Iterator[os.stat_result]:
    """What `path` may be: the event does not tell `dir_fd`, so a relative one is tried in all folders."""
    folders: list[int | None] = [None]
    if not Path(os.fsdecode(path)).is_absolute():
        folders += [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    for folder in folders:
        try:
            yield os.stat(path, dir_fd=folder)
        except (OSError, ValueError):
            continue  # nothing there, so nothing to protect; the open itself will tell


def _check_command(program: Any, words: Sequence[Any]) -> None:
    name = Path(os.fsdecode(program or words[0])).name
    if name.startswith(_LOOKING):
        return
    for word in words if not isinstance(words, str | bytes) else [words]:
        value = os.fsdecode(word).rpartition("=")[2]
        try:
            facts = Path(value).stat()
        except (OSError, ValueError):
            continue
        _check_facts(facts, f"{value} given to {name}")


def _check_facts(facts: os.stat_result, what: str) -> None:
    if not stat.S_ISBLK(facts.st_mode):
        return
    number = _number(facts)
    registry = os.environ.get(REGISTRY_VARIABLE)
    if registry and number in _registered(registry):
        return
    message = f"device guard: {what} ({number}) was not made by the tests"
    if registry:
        _note(refusals_file(Path(registry)), message)
    raise ForeignDeviceError(message)


def _registered(registry: str) -> list[str]:
    try:
        with open(registry, encoding="ascii") as lines:
            return lines.read().split()
    except OSError:
        return []


def _note(path: Path, message: str) -> None:
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(message + "\n")


def _number(facts: os.stat_result) -> str:
    return f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"
