"""Reading the files that a command names."""

import stat
from pathlib import Path

from shredder.errors import UsageError
from shredder.units import MIB, binary_size

# evidence of a disk full of errors is some tens of MiB
_LIMIT_BYTES = 512 * MIB


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UsageError(f"{path} is not a regular file")
        if facts.st_size > _LIMIT_BYTES:
            raise UsageError(f"{path} is larger than {binary_size(_LIMIT_BYTES)}")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        UsageError: it cannot be read, or is not UTF-8.
    """
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text (UTF-8)") from None
