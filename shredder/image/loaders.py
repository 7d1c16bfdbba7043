"""Debian's boot loaders, as they lie in their unpacked packages, and the files that stand beside them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from shredder.errors import ShredderError
from shredder.image.recipe import configuration_folder

# Every console that is there gets the kernel's lines and ours; the last one is /dev/console. The kernel shows
# warnings and worse: one level up it prints its command line, which may carry a configuration.
COMMAND_LINE = "console=tty0 console=hvc0 console=ttyS0,115200 loglevel=5"

BIOS_CD = "usr/lib/ISOLINUX/isolinux.bin"
BIOS_STICK = "usr/lib/ISOLINUX/isohdpfx.bin"
BIOS_NETWORK = "usr/lib/PXELINUX/pxelinux.0"
BIOS_CORE = "usr/lib/syslinux/modules/bios/ldlinux.c32"
SHIM = "usr/lib/shim/shimx64.efi.signed"
GRUB_CD = "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed"
GRUB_NETWORK = "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"


def find_loader(loaders: Path, name: str) -> Path:
    """Return where a loader lies.

    Args:
        loaders: the folder that the packages were unpacked into.
        name: its path in the package.

    Raises:
        ShredderError: it is not there.
    """
    path = loaders / name
    if not path.is_file():
        raise ShredderError(
            f"no boot loader {name} in the locked packages",
            hint="`shredder image lock` locks all that are needed",
        )
    return path


def boot_text(name: str, **words: str) -> bytes:
    """Return a loader's configuration, with the kernel's command line and `words` put in.

    Args:
        name: a file of `recovery-image/boot/`.
        words: what stands for `@WORD@`.

    Raises:
        UsageError: the image's configuration is not there.
    """
    text = (configuration_folder() / "boot" / name).read_text(encoding="ascii")
    for word, value in {"COMMAND_LINE": COMMAND_LINE, **words}.items():
        text = text.replace(f"@{word}@", value)
    return text.encode("ascii")


def lay_files(folder: Path, files: Mapping[str, Path | bytes], epoch_s: int) -> None:
    """Make a folder of these files, everything in it with one date and one mode.

    Args:
        folder: is made.
        files: a file to copy, or the content itself, by path in the folder.
        epoch_s: the date, in seconds since 1970.
    """
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            shutil.copyfile(content, path)
        path.chmod(0o644)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (epoch_s, epoch_s))
