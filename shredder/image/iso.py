"""One ISO for all: BIOS and UEFI with Secure Boot, as a CD and written to a USB stick as it is.

BIOS starts ISOLINUX, from the El Torito record (El Torito 1.0) or from the code in the first sector. UEFI
starts Debian's signed shim and GRUB from a FAT file system that is both the second El Torito image and the
second partition. ISOLINUX comes ready made, so nothing is linked on the machine that builds.
"""

import tempfile
from pathlib import Path

from shredder.image.loaders import (
    BIOS_CD,
    BIOS_CORE,
    BIOS_STICK,
    GRUB_CD,
    SHIM,
    boot_text,
    find_loader,
    lay_files,
)
from shredder.image.tools import run_tool

VOLUME_LABEL = "SHREDDER_IMAGE"
"""The ISO's label: another one than that of volumes that carry a configuration."""

_KIB = 1024
_SECTORS_PER_KIB = 2
_FAT_SLACK_KIB = 64


def make_iso(loaders: Path, kernel: Path, initrd: Path, mark: str, epoch_s: int, output: Path) -> None:  # noqa: PLR0917 - all that an ISO is made of
    """Write the ISO; the same input gives the same bytes.

    Args:
        loaders: the folder that the loaders' packages were unpacked into.
        kernel: Debian's signed kernel.
        initrd: the initramfs.
        mark: the application identifier (ECMA-119, 8.4), by which the running image knows its own medium.
        epoch_s: the one date in it, in seconds since 1970.
        output: the file.

    Raises:
        ShredderError: a loader is missing, or a program failed.
    """
    with tempfile.TemporaryDirectory(prefix="shredder-iso-", dir=output.parent) as name:
        work = Path(name)
        lay_iso(loaders, kernel, initrd, mark, epoch_s=epoch_s, folder=work / "iso")
        lay_fat(loaders, mark, epoch_s, work / "fat")
        _pack_fat(work / "fat", epoch_s, work / "efi.img")
        command = iso_command(find_loader(loaders, BIOS_STICK), work / "efi.img", mark, work / "iso", output)
        run_tool(command, variables=_date(epoch_s))


def lay_iso(loaders: Path, kernel: Path, initrd: Path, mark: str, *, epoch_s: int, folder: Path) -> None:
    """Lay the files of the ISO; the arguments are those of `make_iso`, and the folder to make."""
    information = f"{mark}\n".encode("ascii")
    files: dict[str, Path | bytes] = {
        "vmlinuz": kernel,
        "initrd.zst": initrd,
        "isolinux.bin": find_loader(loaders, BIOS_CD),
        "ldlinux.c32": find_loader(loaders, BIOS_CORE),
        "isolinux.cfg": boot_text("syslinux.cfg"),
        "boot/grub/grub.cfg": boot_text("grub.cfg"),
        ".disk/info": information,
        f".disk/{_file_name(mark)}": information,
    }
    lay_files(folder, files, epoch_s)


def lay_fat(loaders: Path, mark: str, epoch_s: int, folder: Path) -> None:
    """Lay the files that UEFI loads; the arguments are those of `make_iso`, and the folder to make."""
    files: dict[str, Path | bytes] = {
        "EFI/BOOT/BOOTX64.EFI": find_loader(loaders, SHIM),
        "EFI/BOOT/grubx64.efi": find_loader(loaders, GRUB_CD),
        "boot/grub/grub.cfg": boot_text("efi.cfg", MARK=_file_name(mark)),
    }
    lay_files(folder, files, epoch_s)


def iso_command(stick_code: Path, efi_image: Path, mark: str, folder: Path, output: Path) -> list[str | Path]:
    """Return the command that packs the ISO.

    Args:
        stick_code: the code of the first sector, for a BIOS that starts a stick.
        efi_image: the FAT file system.
        mark: the application identifier.
        folder: the files.
        output: the ISO.
    """
    named: list[str | Path] = ["-r", "-V", VOLUME_LABEL, "-A", mark, "-p", "shredder image build"]
    bios: list[str | Path] = [
        "-isohybrid-mbr",
        stick_code,
        "-partition_offset",
        "16",
        "-b",
        "isolinux.bin",
        "-c",
        "boot.cat",
    ]
    bios += ["-no-emul-boot", "-boot-load-size", "4", "-boot-info-table"]
    uefi: list[str | Path] = [
        "-eltorito-alt-boot",
        "-e",
        "--interval:appended_partition_2:all::",
        "-no-emul-boot",
    ]
    uefi += ["-append_partition", "2", "0xef", efi_image]
    # nobody's start-up file says anything about this ISO
    return ["xorriso", "-no_rc", "-as", "mkisofs", "-o", output, *named, *bios, *uefi, folder]


def _file_name(mark: str) -> str:
    return mark.lower().replace(" ", "-")


def _date(epoch_s: int) -> dict[str, str]:
    return {"SOURCE_DATE_EPOCH": str(epoch_s)}


def _pack_fat(folder: Path, epoch_s: int, image: Path) -> None:
    """Put a folder into a FAT file system, in one order, with one date and a serial number made from it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    folders = [f"::{path.relative_to(folder)}" for path in sorted(folder.rglob("*")) if path.is_dir()]
    size_kib = sum(-(-path.stat().st_size // _KIB) for path in files) + _FAT_SLACK_KIB
    geometry = ["-T", str(size_kib * _SECTORS_PER_KIB), "-h", "64", "-s", "32"]
    serial = f"{epoch_s & 0xFFFFFFFF:08x}"
    run_tool(["mformat", "-i", image, "-C", *geometry, "-N", serial, "::"], variables=_date(epoch_s))
    run_tool(["mmd", "-i", image, *folders], variables=_date(epoch_s))
    for path in files:
        place = f"::{path.relative_to(folder)}"
        run_tool(["mcopy", "-i", image, "-m", path, place], variables=_date(epoch_s))
