"""A disk for nbdkit's Python plugin that keeps its bytes in a file and misbehaves as it is told to.

Parameters: file=PATH size=BYTES mode=MODE from=BYTE to=BYTE. Within [from, to):
  write-error   writes fail with EIO          read-error   reads fail with EIO
  drop          writes succeed, nothing kept  zero         writes succeed, zeros are kept
  alias         the second half of the disk is the first half again
  flush-error   the first flush fails with EIO, later ones succeed
  misdirect     writes land one sector further
  hang          a write never comes back while the file PATH.hang is there; it makes PATH.hangs
"""

import builtins
import errno
import os
import time
from pathlib import Path
from typing import Any

import nbdkit  # type: ignore[import-not-found]

API_VERSION = 2
_SECTOR_BYTES = 512
_told: dict[str, str] = {}


def config(key: str, value: str) -> None:
    """Take one parameter."""
    _told[key] = value


def thread_model() -> Any:
    """Serve several requests at once."""
    return nbdkit.THREAD_MODEL_PARALLEL


def open(readonly: bool) -> int:
    """Open the file behind the disk."""
    return os.open(_told["file"], os.O_RDWR)


def get_size(handle: int) -> int:
    """Return the size it claims."""
    return int(_told["size"])


def _within(count: int, offset: int) -> bool:
    return offset < int(_told.get("to", "0")) and offset + count > int(_told.get("from", "0"))


def _place(offset: int) -> int:
    return offset % (int(_told["size"]) // 2) if _told["mode"] == "alias" else offset


def _fail(code: int) -> None:
    nbdkit.set_error(code)
    raise OSError(code, os.strerror(code))


def pread(handle: int, buffer: Any, offset: int, flags: int) -> None:
    """Read."""
    if _told["mode"] == "read-error" and _within(len(buffer), offset):
        _fail(errno.EIO)
    buffer[:] = os.pread(handle, len(buffer), _place(offset))


def pwrite(handle: int, buffer: Any, offset: int, flags: int) -> None:
    """Write, or pretend to."""
    mode = _told["mode"]
    data = builtins.bytes(buffer)
    if mode not in ("write-error", "drop", "zero", "misdirect", "hang") or not _within(len(data), offset):
        os.pwrite(handle, data, _place(offset))
        return
    if mode == "write-error":
        _fail(errno.EIO)
    if mode == "hang":
        Path(_told["file"] + ".hangs").touch()
        while Path(_told["file"] + ".hang").exists():
            time.sleep(0.05)
        os.pwrite(handle, data, offset)
        return
    first, last = int(_told["from"]), int(_told["to"])
    for at in range(0, len(data), _SECTOR_BYTES):
        sector = data[at : at + _SECTOR_BYTES]
        if not first <= offset + at < last:
            os.pwrite(handle, sector, offset + at)
        elif mode == "zero":
            os.pwrite(handle, builtins.bytes(len(sector)), offset + at)
        elif mode == "misdirect":
            os.pwrite(handle, sector, offset + at + _SECTOR_BYTES)


def flush(handle: int, flags: int) -> None:
    """Flush; in flush-error the first one fails, as where a cache was lost."""
    armed = Path(_told["file"] + ".armed")
    if _told["mode"] == "flush-error" and armed.exists():
        armed.unlink()
        _fail(errno.EIO)
    os.fsync(handle)


def can_fua(handle: int) -> Any:
    """Leave FUA to flushes."""
    return nbdkit.FUA_EMULATE
