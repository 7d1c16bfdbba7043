"""The second witness: blkinfo, which wraps lsblk."""

import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

from shredder.model import Unavailable

_KEYS = ("name", "kname", "type", "size", "ro", "rm", "rota", "model", "vendor", "serial", "tran", "fstype")


def ask_blkinfo() -> tuple[dict[str, str], ...] | Unavailable:
    """Return every node that blkinfo lists, or why it lists none."""
    from blkinfo import BlkDiskInfo  # noqa: PLC0415 - it is the witness: that it fails must not be fatal
    from blkinfo.errors import NoLsblkFound  # noqa: PLC0415

    try:
        disks = BlkDiskInfo().get_disks()
    except NoLsblkFound:
        return Unavailable("lsblk is not there")
    except (OSError, LookupError, ValueError, AttributeError, TypeError, subprocess.SubprocessError) as error:
        return Unavailable(f"it failed: {type(error).__name__}: {error}")
    nodes = {node["kname"]: node for node in _flatten(disks)}
    return tuple(nodes[name] for name in sorted(nodes)) or Unavailable("lsblk lists no disk")


def _flatten(disks: Iterable[dict[str, Any]]) -> Iterator[dict[str, str]]:
    for disk in disks:
        yield {key: str(disk[key]) for key in _KEYS if disk.get(key)}
        yield from _flatten(disk.get("children", ()))
