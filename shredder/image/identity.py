"""The image's identity: a digest over every path, type, mode and content of its root."""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from shredder.discover.recovery_image import IDENTITY_PATH, ImageIdentity
from shredder.records import canonical, digest

_RECORD = IDENTITY_PATH.relative_to("/")


def identify(root: Path, version: str) -> ImageIdentity:
    """Return the identity of a root.

    Args:
        root: the finished root; the file that holds the identity does not count.
        version: the tool's version.
    """
    lines = [line for path, line in _describe(root) if path != str(_RECORD)]
    return ImageIdentity(version, digest(lines))


def write_identity(path: Path, identity: ImageIdentity) -> None:
    """Write the file by which the running image knows itself."""
    path.write_bytes(canonical(identity) + b"\n")
    path.chmod(0o644)


def _describe(root: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).as_posix().encode()):
        name = path.relative_to(root).as_posix()
        mode = path.lstat().st_mode
        yield name, [name, stat.filemode(mode), _content(path, mode)]


def _content(path: Path, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return str(path.readlink())
    return "" if stat.S_ISDIR(mode) else hashlib.sha256(path.read_bytes()).hexdigest()
