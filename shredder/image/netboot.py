"""The netboot folder: what a TFTP server hands out, for BIOS, for UEFI with Secure Boot, and for iPXE."""

from pathlib import Path

from shredder.image.loaders import (
    BIOS_CORE,
    BIOS_NETWORK,
    GRUB_NETWORK,
    SHIM,
    boot_text,
    find_loader,
    lay_files,
)


def make_netboot(loaders: Path, kernel: Path, initrd: Path, epoch_s: int, output: Path) -> None:
    """Write the folder: BIOS asks for `pxelinux.0`, UEFI for `shimx64.efi`, which loads `grubx64.efi`.

    Args:
        loaders: the folder that the loaders' packages were unpacked into.
        kernel: Debian's signed kernel.
        initrd: the initramfs.
        epoch_s: the date of every file, in seconds since 1970.
        output: the folder, which is made.

    Raises:
        ShredderError: a loader is missing.
    """
    files: dict[str, Path | bytes] = {
        "vmlinuz": kernel,
        "initrd.zst": initrd,
        "pxelinux.0": find_loader(loaders, BIOS_NETWORK),
        "ldlinux.c32": find_loader(loaders, BIOS_CORE),
        "pxelinux.cfg/default": boot_text("syslinux.cfg"),
        "shimx64.efi": find_loader(loaders, SHIM),
        "grubx64.efi": find_loader(loaders, GRUB_NETWORK),
        "grub/grub.cfg": boot_text("grub.cfg"),
        "shredder.ipxe": boot_text("shredder.ipxe"),
    }
    lay_files(output, files, epoch_s)
