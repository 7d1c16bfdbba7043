"""Lines of mountinfo and /proc/swaps, taken apart. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from shredder.discover.snapshot import RawMounts

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo (proc(5)); `options` are those of the file system."""

    number: str
    point: str
    kind: str
    source: str
    options: tuple[str, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """All device paths it names: its source (bcachefs: several), an external journal or log."""
        named = [self.source, *(option.partition("=")[2] for option in self.options)]
        parts = self.source.split(":/")
        named += [parts[0], *(f"/{part}" for part in parts[1:])]
        return tuple(dict.fromkeys(path for path in named if path.startswith("/dev/")))

    @property
    def layers(self) -> tuple[str, ...]:
        """The directories that an overlay is made of."""
        if self.kind != "overlay":
            return ()
        pairs = [option.partition("=") for option in self.options]
        return tuple(
            path
            for key, _, value in pairs
            if key.rstrip("+") in ("lowerdir", "upperdir", "datadir")
            for path in value.split(":")
            if path
        )


def unescape(text: str) -> str:
    r"""Return the text with the kernel's octal escapes (a blank is \040) decoded."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)


def parse_mounts(view: RawMounts) -> tuple[Mount, ...]:
    """Return the mounts of one view, in its order."""
    return tuple(mount for mount in map(_parse_mount, view.lines) if mount)


def _parse_mount(line: str) -> Mount | None:
    before, dash, after = line.partition(" - ")
    left, right = before.split(" "), after.split(" ")
    if not dash or len(left) < 6 or len(right) < 3:
        return None
    options = tuple(unescape(option) for option in right[2].split(","))
    return Mount(left[2], unescape(left[4]), right[0], unescape(right[1]), options)


def covering(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount on which a path lies: the longest mount point, the latest of equals."""
    best: Mount | None = None
    for mount in mounts:
        under = path == mount.point or path.startswith(mount.point.rstrip("/") + "/")
        if under and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def swap_path(line: str) -> str:
    """Return the path in a line of /proc/swaps."""
    return unescape(line.partition(" ")[0].partition("\t")[0])
