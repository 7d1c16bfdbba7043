"""Unpacks Debian packages and wheels into a folder; nothing of them is run, so no privilege is needed."""

import fnmatch
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from shredder.errors import ShredderError
from shredder.image.lock import LockedPackage, LockedWheel
from shredder.image.tools import run_tool

TOOLS = {"dpkg-deb": "dpkg"}
# Its links /bin, /lib and /sbin must be there before what lies behind them.
_FIRST = "base-files"


def unpack_packages(packages: Iterable[LockedPackage], places: dict[str, Path], target: Path) -> None:
    """Unpack Debian packages over each other.

    Args:
        packages: the packages.
        places: where each file is, by its digest.
        target: the folder, made when it is not there.
    """
    target.mkdir(parents=True, exist_ok=True)
    for package in sorted(packages, key=lambda package: (package.name != _FIRST, package.name)):
        run_tool(["dpkg-deb", "--extract", places[package.sha256], target])


def unpack_python(wheels: Iterable[LockedWheel], places: dict[str, Path], target: Path) -> None:
    """Unpack Python packages side by side.

    Args:
        wheels: wheels, and sources of packages that are plain Python.
        places: where each file is, by its digest.
        target: the folder that becomes part of Python's path.
    """
    target.mkdir(parents=True, exist_ok=True)
    for wheel in wheels:
        if wheel.url.endswith(".whl"):
            with zipfile.ZipFile(places[wheel.sha256]) as archive:
                archive.extractall(target)  # noqa: S202 - a wheel that the lock names by its digest
        else:
            _unpack_source(wheel, places[wheel.sha256], target)


def _unpack_source(wheel: LockedWheel, place: Path, target: Path) -> None:
    """Take the modules in the folder of the package's own name, at the source's top or below src/."""
    modules = re.compile(
        rf"{re.escape(f'{wheel.name}-{wheel.version}')}/(?:src/)?({re.escape(wheel.name)}/[\w/]+\.py)"
    )
    with tarfile.open(place) as archive:
        for item in archive:
            found = modules.fullmatch(item.name)
            content = archive.extractfile(item) if found else None
            if found and content:
                path = target / found[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.read())
    if not (target / wheel.name / "__init__.py").is_file():
        raise ShredderError(f"{wheel.name} {wheel.version} is not a source of plain Python")


def drop_matching(root: Path, patterns: Iterable[str]) -> None:
    """Remove what a pattern matches, a folder with all in it.

    Args:
        root: the folder that patterns start from.
        patterns: as `fnmatch` has them.
    """
    for pattern in patterns:
        # the part before the first wildcard names the only folder worth looking through
        fixed = PurePosixPath(*_fixed_parts(pattern))
        paths = (
            root.joinpath(fixed).rglob("*") if any(sign in pattern for sign in "*?[") else (root / pattern,)
        )
        for path in list(paths):
            if fnmatch.fnmatchcase(path.relative_to(root).as_posix(), pattern):
                remove(path)


def _fixed_parts(pattern: str) -> list[str]:
    parts = PurePosixPath(pattern).parts
    wild = next((at for at, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return list(parts[:wild])


def remove(path: Path) -> None:
    """Remove a file, a link, or a folder with all in it; what is not there already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
