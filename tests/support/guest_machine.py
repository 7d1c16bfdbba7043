"""The machine a guest gets, as QEMU's command line: firmware, disks, how it boots, network."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

_OVMF = Path("/usr/share/OVMF")


class Firmware(StrEnum):
    """What runs before the loader; SECURE has Microsoft's keys enrolled and Secure Boot on."""

    SEABIOS = "seabios"
    OVMF = "ovmf"
    SECURE = "ovmf-secure"


class Bus(StrEnum):
    """How a disk is attached."""

    VIRTIO = "virtio"
    NVME = "nvme"
    SATA = "sata"
    SCSI = "scsi"
    USB = "usb"


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk.

    `serial` is also its QEMU id. `bytes_per_s` slows it down, 0 does not. A `removable` one is a stick.
    """

    file: Path
    serial: str
    bus: Bus = Bus.VIRTIO
    sector_bytes: int = 512
    read_only: bool = False
    removable: bool = False
    bytes_per_s: int = 0


@dataclass(frozen=True, slots=True)
class KernelBoot:
    """QEMU loads kernel and initramfs itself."""

    kernel: Path
    initrd: Path
    append: str = ""


@dataclass(frozen=True, slots=True)
class CdBoot:
    """The ISO in a CD drive."""

    iso: Path


@dataclass(frozen=True, slots=True)
class StickBoot:
    """The ISO written to a USB stick."""

    iso: Path
    serial: str


@dataclass(frozen=True, slots=True)
class PxeBoot:
    """The first network card boots by PXE from QEMU's own DHCP and TFTP."""

    folder: Path
    file: str


@dataclass(frozen=True, slots=True)
class DiskBoot:
    """Nothing but the disks: for guests that bring their own loader."""


Boot: TypeAlias = KernelBoot | CdBoot | StickBoot | PxeBoot | DiskBoot


@dataclass(frozen=True, slots=True)
class Network:
    """One card behind QEMU's user network, the host's loopback at 10.0.2.2.

    `closed` cuts that off; `ssh_port` on the host's loopback leads to the guest's port 22, 0 does not.
    """

    closed: bool = False
    ssh_port: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """All that a guest is started with."""

    boot: Boot
    disks: Sequence[Disk] = ()
    firmware: Firmware = Firmware.SEABIOS
    memory_mib: int = 512
    network: Network | None = None
    with_hvc0: bool = False


def arguments(machine: Machine, folder: Path) -> list[str]:
    """Return QEMU's arguments for a machine.

    Args:
        machine: what is wanted.
        folder: where the firmware's variables are kept; the guest's own.
    """
    words = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", str(machine.memory_mib)]
    words += ["-nodefaults", "-display", "none", "-vga", "std", "-rtc", "base=utc"]
    words += _firmware(machine.firmware, folder)
    words += [
        "-device",
        "qemu-xhci,id=usb",
        "-device",
        "virtio-scsi-pci,id=scsi",
        "-device",
        "ich9-ahci,id=sata",
    ]
    words += _boot(machine.boot, machine.firmware)
    sata = 0
    for number, disk in enumerate(machine.disks):
        words += _disk(disk, number, sata)
        sata += disk.bus is Bus.SATA
    if machine.network or isinstance(machine.boot, PxeBoot):
        words += _network(machine.network or Network(closed=True), machine.boot, machine.firmware)
    return words


def _firmware(firmware: Firmware, folder: Path) -> list[str]:
    if firmware is Firmware.SEABIOS:
        return ["-machine", "q35"]
    is_secure = firmware is Firmware.SECURE
    code = _OVMF / ("OVMF_CODE_4M.secboot.fd" if is_secure else "OVMF_CODE_4M.fd")
    variables = folder / "variables.fd"
    shutil.copyfile(_OVMF / ("OVMF_VARS_4M.ms.fd" if is_secure else "OVMF_VARS_4M.fd"), variables)
    words = ["-machine", "q35,smm=on" if is_secure else "q35"]
    if is_secure:
        words += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
        words += ["-global", "ICH9-LPC.disable_s3=1"]
    words += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={code}"]
    return [*words, "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]


def _boot(boot: Boot, firmware: Firmware) -> list[str]:
    match boot:
        case KernelBoot():
            words = ["-kernel", str(boot.kernel), "-initrd", str(boot.initrd)]
            return [*words, "-append", boot.append] if boot.append else words
        case CdBoot():
            drive = f"if=none,id=cd,format=raw,readonly=on,file={boot.iso}"
            return ["-drive", drive, "-device", "ide-cd,bus=ide.0,drive=cd,bootindex=0"]
        case StickBoot():
            drive = f"if=none,id=bootstick,format=raw,cache=unsafe,file={boot.iso}"
            device = f"usb-storage,bus=usb.0,drive=bootstick,serial={boot.serial},removable=on,bootindex=0"
            return ["-drive", drive, "-device", device]
        case PxeBoot() | DiskBoot():
            return []


def _disk(disk: Disk, number: int, sata: int) -> list[str]:
    drive = f"if=none,id=drive{number},format=raw,cache=unsafe,file={disk.file}"
    drive += ",readonly=on" if disk.read_only else ""
    drive += f",throttling.bps-total={disk.bytes_per_s}" if disk.bytes_per_s else ""
    common = f"drive=drive{number},serial={disk.serial},id={disk.serial}"
    sectors = f"logical_block_size={disk.sector_bytes},physical_block_size={disk.sector_bytes}"
    # A disk can be pulled out of a port of its own; q35's root bus takes no part in hot-plugging.
    port = ["-device", f"pcie-root-port,id=port{number},chassis={number + 1},slot={number + 1}"]
    match disk.bus:
        case Bus.VIRTIO:
            words = [*port, "-device", f"virtio-blk-pci,bus=port{number},{common},{sectors}"]
        case Bus.NVME:
            words = [*port, "-device", f"nvme,bus=port{number},{common},{sectors}"]
        case Bus.SATA:
            words = ["-device", f"ide-hd,bus=sata.{sata},{common}"]
        case Bus.SCSI:
            words = ["-device", f"scsi-hd,bus=scsi.0,{common},{sectors}"]
        case Bus.USB:
            removable = "on" if disk.removable else "off"
            words = ["-device", f"usb-storage,bus=usb.0,{common},removable={removable}"]
    return ["-drive", drive, *words]


def _network(network: Network, boot: Boot, firmware: Firmware) -> list[str]:
    netdev = f"user,id=net,restrict={'on' if network.closed else 'off'}"
    device = "virtio-net-pci,netdev=net,mac=52:54:00:73:68:72"
    if network.ssh_port:
        netdev += f",hostfwd=tcp:127.0.0.1:{network.ssh_port}-:22"
    if isinstance(boot, PxeBoot):
        netdev += f",tftp={boot.folder},bootfile={boot.file}"
        device += ",bootindex=0"
        # Without a ROM on the card OVMF uses its own PXE, which obeys Secure Boot.
        device += "" if firmware is Firmware.SEABIOS else ",romfile="
    else:
        device += ",romfile="
    return ["-netdev", netdev, "-device", device]
