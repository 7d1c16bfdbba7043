"""The names of an inode: no file system keeps a list of them, so its folders are gone through."""

import os
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def find_names(folder: int, device: str, inode: int, links: int) -> tuple[str, ...]:
    """Return the names of an inode, sorted; fewer than `links` where some lie outside what is mounted here.

    Args:
        folder: an open folder on the same file system.
        device: "major:minor" as stat gives it.
        inode: the inode's number.
        links: how many names there are, to stop when all are found.
    """
    found: list[str] = []
    for path in _walk(_mount_root(Path(f"/proc/self/fd/{folder}").readlink(), device), device):
        if path.inode() == inode and _device(path.stat(follow_symlinks=False)) == device:
            found.append(path.path)
            if len(found) == links:
                break
    return tuple(sorted(found))


def _device(facts: os.stat_result) -> str:
    return f"{os.major(facts.st_dev)}:{os.minor(facts.st_dev)}"


def _mount_root(folder: Path, device: str) -> Path:
    while folder != _ROOT and _device(folder.parent.stat()) == device:
        folder = folder.parent
    return folder


def _walk(root: Path, device: str) -> Iterator[os.DirEntry[str]]:
    waiting: list[str] = [str(root)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if is_folder and _device(entry.stat(follow_symlinks=False)) == device:
                        waiting.append(entry.path)
        except OSError:
            continue  # gone since, or closed to us; what is missing is counted
