"""The locked programs of the build, run from where they are unpacked: the same ones on every machine.

Another release of a compressor gives other bytes for the same input. Debian's programs run anywhere on
the same architecture when their own dynamic loader starts them with their own libraries; that needs no
privilege.
"""

from pathlib import Path

LOADER = "usr/lib64/ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
# What the build calls, and where it lies; a multi-call program acts by the name it is called by.
_PROGRAMS = {
    "cpio": "usr/bin/cpio",
    "depmod": "usr/sbin/depmod",
    "mcopy": "usr/bin/mcopy",
    "mformat": "usr/bin/mformat",
    "mksquashfs": "usr/bin/mksquashfs",
    "mmd": "usr/bin/mmd",
    "modinfo": "usr/sbin/modinfo",
    "xorriso": "usr/bin/xorriso",
    "zstd": "usr/bin/zstd",
}


def foreign_command(root: Path, program: str, *, name: str | None = None) -> list[str]:
    """Return the words that start a program of another root with that root's libraries.

    Args:
        root: where the packages are unpacked.
        program: its path below `root`.
        name: what it finds in argv[0]; its path otherwise.
    """
    loader = [str((root / LOADER).resolve()), "--inhibit-cache", "--library-path", str(root / LIBRARIES)]
    return [*loader, "--argv0", name or str(root / program), str(root / program)]


def write_wrappers(tools: Path, folder: Path) -> None:
    """Write one small script a program, to be put first on PATH.

    Args:
        tools: where the packages of the group "tools" are unpacked.
        folder: takes the scripts; made here.
    """
    folder.mkdir()
    for name, program in _PROGRAMS.items():
        words = " ".join(f"'{word}'" for word in foreign_command(tools, program, name=name))
        script = folder / name
        converters = f"GCONV_PATH='{tools / LIBRARIES / 'gconv'}'"
        script.write_text(f'#!/bin/sh\n{converters} exec {words} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
