"""The kernel, the modules that a server's devices need, and the firmware that those ask for."""

import fnmatch
import lzma
import shutil
from collections.abc import Iterable
from pathlib import Path

from shredder.errors import ShredderError
from shredder.image.recipe import Modules
from shredder.image.tools import run_tool

MODULES = "usr/lib/modules"
FIRMWARE = "usr/lib/firmware"
_PACKED = ".ko.xz"


def find_version(unpacked: Path) -> str:
    """Return the version of the one kernel in an unpacked kernel package."""
    versions = [path.name for path in (unpacked / MODULES).iterdir()]
    if len(versions) != 1:
        raise ShredderError(f"expected one kernel in the locked packages, found {len(versions)}")
    return versions[0]


def copy_modules(unpacked: Path, version: str, chosen: Modules, root: Path) -> None:
    """Copy the chosen modules and what these need, unpacked, with fresh indexes.

    Args:
        unpacked: the kernel package's folder.
        version: the kernel's version.
        chosen: names and patterns.
        root: the image's root.
    """
    needs = _read_needs(unpacked, version)
    target = root / MODULES / version
    for name in sorted(_closure(_choose(needs, chosen), needs)):
        place = target / name.removesuffix(".xz")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(lzma.decompress((unpacked / MODULES / version / name).read_bytes()))
    for name in ("modules.builtin", "modules.builtin.modinfo", "modules.order"):
        shutil.copyfile(unpacked / MODULES / version / name, target / name)
    _index(root, version)


def load_order(root: Path, version: str, names: Iterable[str]) -> list[Path]:
    """Return the files of modules, each after those it needs.

    Args:
        root: the image's root, whose modules are indexed.
        version: the kernel's version.
        names: modules, without ".ko".
    """
    needs = _read_needs(root, version)
    order: dict[str, None] = {}
    for name in names:
        path = next((path for path in needs if Path(path).name == f"{name}.ko"), None)
        if path is None:
            raise ShredderError(f"the kernel has no module {name}")
        for needed in reversed(needs[path]):
            order[needed] = None
        order[path] = None
    return [root / MODULES / version / path for path in order]


def copy_firmware(unpacked: Path, version: str, root: Path) -> None:
    """Copy those firmware files that a module of the image asks for.

    Args:
        unpacked: folder of the unpacked firmware packages.
        version: the kernel's version.
        root: the image's root.
    """
    modules = sorted((root / MODULES / version).rglob("*.ko"))
    asked = run_tool(["modinfo", "-F", "firmware", *modules]).decode().split()
    for name in sorted(set(asked)):
        for source in sorted((unpacked / FIRMWARE).glob(name)):
            if source.is_file():
                place = root / FIRMWARE / source.relative_to(unpacked / FIRMWARE)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, place)


def _index(base: Path, version: str) -> None:
    """Write the indexes; depmod itself adds lib/modules to the folder it is given."""
    run_tool(["depmod", "-b", base / "usr", version])


def _read_needs(base: Path, version: str) -> dict[str, list[str]]:
    index = base / MODULES / version / "modules.dep"
    if not index.exists():
        _index(base, version)
    lines = (line.partition(":") for line in index.read_text(encoding="utf-8").splitlines())
    return {path: needed.split() for path, _, needed in lines}


def _choose(needs: dict[str, list[str]], chosen: Modules) -> set[str]:
    names = {path: path.removeprefix("kernel/").removesuffix(_PACKED) for path in needs}
    found = {
        path
        for path, name in names.items()
        if _matches(name, chosen.keep) and not _matches(name, chosen.leave)
    }
    early = {path for path, name in names.items() if Path(name).name in chosen.early}
    for pattern in chosen.keep:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names.values()):
            raise ShredderError(f"the kernel has no module {pattern}", hint="mend [modules] in image.toml")
    return found | early


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _closure(chosen: set[str], needs: dict[str, list[str]]) -> set[str]:
    """modules.dep already lists what the needed ones need in turn."""
    return chosen | {needed for path in chosen for needed in needs[path]}
