"""A regular file taken as a disk image."""

import os
import stat
from pathlib import Path

from shredder.discover.loops import list_backings
from shredder.errors import RefusedError, UsageError
from shredder.model import Device, DeviceKind, Fact, Identity, MediumKind, Unavailable, Use, UseKind

DIRECT_ALIGNMENT_BYTES = 4096
_KINDS = (
    (stat.S_ISLNK, "a symbolic link", "name the file it leads to"),
    (stat.S_ISDIR, "a directory", None),
    (stat.S_ISFIFO, "a FIFO", None),
    (stat.S_ISSOCK, "a socket", None),
    (stat.S_ISBLK, "a block device", "name it without --image"),
    (stat.S_ISCHR, "a character device", None),
)


def describe_image(path: str) -> Device:
    """Return an image file as a device. Never opens it: that would break another's lease.

    Args:
        path: the file; its last part is not followed when it is a link.

    Raises:
        UsageError: no such file, or it cannot be looked at.
        RefusedError: it is not a regular file.
    """
    facts = _look(path)
    absolute = os.path.abspath(path)  # noqa: PTH100 - pathlib leaves ".." in
    return Device(
        path=absolute,
        kind=DeviceKind.IMAGE,
        identity=_identity(absolute, facts),
        physical_sector_bytes=DIRECT_ALIGNMENT_BYTES,
        vendor=_none(),
        model=_none(),
        transport=_none(),
        medium=MediumKind.FILE,
        read_only=not os.access(absolute, os.W_OK),
        removable=False,
        zoned=False,
        fabric=False,
        boot=False,
        links=(),
        content=Unavailable("not looked at"),
        parent=None,
        partitions=(),
        uses=_uses(absolute, facts),
        disagreements=(),
    )


def _none() -> Fact:
    return Unavailable("a file has none")


def _look(path: str) -> os.stat_result:
    try:
        facts = Path(path).lstat()
    except (OSError, ValueError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
        raise UsageError(f"{path}: {why}") from None
    if stat.S_ISREG(facts.st_mode):
        return facts
    for is_kind, name, hint in _KINDS:
        if is_kind(facts.st_mode):
            raise RefusedError(f"{path} is {name}, not a regular file", hint=hint)
    raise RefusedError(f"{path} is not a regular file")


def _identity(path: str, facts: os.stat_result) -> Identity:
    device = f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"
    return Identity(
        serial=_none(),
        wwn=_none(),
        size_bytes=facts.st_size,
        start_bytes=0,
        logical_sector_bytes=DIRECT_ALIGNMENT_BYTES,
        by_path=path,
        partition_table_uuid=_none(),
        instance=f"inode {device}/{facts.st_ino}",
    )


def _uses(path: str, facts: os.stat_result) -> tuple[Use, ...]:
    key = (facts.st_dev, facts.st_ino)
    return tuple(
        Use(UseKind.LOOP, path, backing.name)
        for backing in list_backings()
        if (backing.dev, backing.inode) == key
    )
