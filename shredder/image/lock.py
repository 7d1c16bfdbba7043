"""The lock file: every Debian package and wheel of the image, with version, place, size and digest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from shredder.errors import UsageError
from shredder.records import from_json, parse, to_json

LOCK_FORMAT = 1


class Group(StrEnum):
    """What becomes of a package."""

    ROOT = "root"  # unpacked into the image's root
    KERNEL = "kernel"  # gives the kernel and the modules
    FIRMWARE = "firmware"  # unpacked beside the modules, only when asked for
    LOADERS = "loaders"  # gives the boot loaders of ISO and netboot folder
    TOOLS = "tools"  # not in the image: the programs that build it


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A Debian package; `groups` says what it is for."""

    name: str
    version: str
    architecture: str
    url: str
    size_bytes: int
    sha256: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """A Python package: a wheel, or the source of a pure one that has no wheel."""

    name: str
    version: str
    url: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """All that an image is made of, besides the tool itself and `recovery-image/`.

    `epoch_s` (seconds since 1970) is when it was resolved, and the one date in the image. `recipe` is the
    digest of the lists of packages it was resolved from.
    """

    format: int
    epoch_s: int
    recipe: str
    packages: tuple[LockedPackage, ...]
    wheels: tuple[LockedWheel, ...]

    def __post_init__(self) -> None:
        if self.format != LOCK_FORMAT:
            raise ValueError(f"format {self.format} is not one this version knows")

    def group(self, group: Group) -> Iterator[LockedPackage]:
        """Yield the packages of one group, in the order of their names."""
        return (package for package in self.packages if group in package.groups)

    def without(self, group: Group) -> "Lock":
        """Return the lock without the packages that are for this group alone."""
        return replace(self, packages=tuple(item for item in self.packages if item.groups != (group,)))


def read_lock(path: Path) -> Lock:
    """Read a lock file.

    Raises:
        UsageError: it cannot be read, or is no lock file.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", hint="`shredder image lock` makes one"
        ) from None
    return from_json(Lock, parse(text, str(path)), str(path))


def lock_text(lock: Lock) -> str:
    """Return the file's text: one line a package, so that a change of version is a change of one line."""
    heads = {"format": lock.format, "epoch_s": lock.epoch_s, "recipe": lock.recipe}
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}," for key, value in heads.items()]
    packages = ",\n".join(f"    {json.dumps(to_json(item))}" for item in lock.packages)
    wheels = ",\n".join(f"    {json.dumps(to_json(item))}" for item in lock.wheels)
    return (
        "{\n" + "\n".join(lines) + f'\n  "packages": [\n{packages}\n  ],\n  "wheels": [\n{wheels}\n  ]\n}}\n'
    )
