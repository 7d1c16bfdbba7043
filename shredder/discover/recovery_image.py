"""Which recovery image is running, and the mark by which its own boot medium is known."""

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from shredder.errors import RefusedError, UsageError
from shredder.model import Fact, Unavailable
from shredder.records import from_json, parse

IDENTITY_PATH = Path("/etc/shredder/image.json")
"""Where an image says which one it is."""

MARK_START_BYTES = 32768 + 574
MARK_LENGTH_BYTES = 128
_MARK_BEGINS = "SHREDDER "
_DIGEST = re.compile("[0-9a-f]{64}")
_EMPTY = frozenset((errno.ENOMEDIUM, errno.ENXIO, errno.ENODEV))


@dataclass(frozen=True, slots=True)
class ImageIdentity:
    """An image's version, and the SHA-256 of its content in lower-case hex."""

    version: str
    digest: str

    def __post_init__(self) -> None:
        if not self.version.strip() or not self.version.isprintable():
            raise ValueError("the version is blank or cannot be printed")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError("the digest is not 64 lower-case hex digits")

    def __str__(self) -> str:
        return f"shredder image {self.version} sha256:{self.digest}"


def read_identity(path: Path) -> ImageIdentity | None:
    """Return which image is running; None on a machine that was not started from one.

    Args:
        path: `IDENTITY_PATH`, or its like below another root.

    Raises:
        RefusedError: the file is there and names no image, so the boot medium could not be told from a disk.
    """
    try:
        return from_json(ImageIdentity, parse(path.read_bytes(), str(path)), str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = f"{path}: {error.strerror}"
    except UsageError as error:
        why = error.message
    raise RefusedError(f"it cannot be told which recovery image this is: {why}", hint="use a sound image")


def boot_mark(identity: ImageIdentity) -> str:
    """Return the application identifier of the image's ISO, without the blanks that pad it.

    Upper case, as an ISO 9660 identifier has it.

    Source: ECMA-119, 8.4 (bytes 575 to 702 of the primary volume descriptor, which is logical sector 16).
    """
    return f"{_MARK_BEGINS}{identity.digest.upper()}"


def read_mark(path: str) -> Fact | None:
    """Return the mark of any image of ours on a node, None where there is none.

    Args:
        path: the device node; it is read at `MARK_START_BYTES`, never mounted.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            field = os.pread(descriptor, MARK_LENGTH_BYTES, MARK_START_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        return (
            None if error.errno in _EMPTY else Unavailable(f"the device could not be read: {error.strerror}")
        )
    text = field.decode("ascii", "replace").rstrip(" \0")
    return text if text.startswith(_MARK_BEGINS) else None
