"""The workplace of one guest test: makes disks and sticks, starts guests, collects what they delivered."""

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.command import Shredder
from tests.support.guest import Guest
from tests.support.guest_certificates import Delivered
from tests.support.guest_image import FILE_NAME, RecoveryImage
from tests.support.guest_machine import Boot, Bus, Disk, Firmware, Machine, Network
from tests.support.guest_media import Volume, make_disk, make_volume

STICK = "STICK1"


@dataclass(slots=True)
class Lab:
    """Everything is made in `folder`; `guests` are all that were started."""

    folder: Path
    image: RecoveryImage
    shredder: Shredder
    guests: list[Guest] = field(default_factory=list)

    def disk(
        self,
        serial: str,
        bus: Bus = Bus.VIRTIO,
        sector_bytes: int = 512,
        *,
        size_mib: int = 64,
        bytes_per_s: int = 0,
    ) -> Disk:
        """Make a disk full of markers."""
        file = make_disk(self.folder / f"{serial}.img", size_mib)
        return Disk(file, serial, bus, sector_bytes, bytes_per_s=bytes_per_s)

    def volume(self, name: str, configuration: str | None = None) -> Volume:
        """Make a FAT volume labelled SHREDDER, with a configuration or without one."""
        files = {} if configuration is None else {FILE_NAME: configuration.encode()}
        return make_volume(self.folder / f"{name}.img", files)

    def start(
        self,
        *disks: Disk,
        boot: Boot,
        stick: Volume | None = None,
        firmware: Firmware = Firmware.SEABIOS,
        memory_mib: int = 512,
        network: Network | None = None,
        with_hvc0: bool = False,
    ) -> Guest:
        """Start a guest.

        Args:
            disks: of the machine.
            boot: how it is started.
            stick: a volume that is plugged in as a USB stick.
            firmware: which one.
            memory_mib: MiB of memory.
            network: None for a machine without a card.
            with_hvc0: with a second console.
        """
        sticks = [Disk(stick.file, STICK, Bus.USB, removable=True)] if stick else []
        machine = Machine(boot, [*disks, *sticks], firmware, memory_mib, network, with_hvc0)
        guest = Guest(machine, self.folder / f"guest-{len(self.guests) + 1}")
        self.guests.append(guest)
        return guest

    def runs_on(self, stick: Volume) -> list[Path]:
        """Return the runs' folders on a stick, copied to the host."""
        return [path for path in self._copy(stick).iterdir() if path.is_dir()]

    def check_run_on(self, stick: Volume, *, expect: int = 0) -> Delivered:
        """Return the one run on a stick, its certificate checked.

        Args:
            stick: the volume.
            expect: the exit code of `certificate verify`.
        """
        (run,) = self.runs_on(stick)
        return self.check(run, expect=expect)

    def check(self, run: Path, *, expect: int = 0) -> Delivered:
        """Return what lies in a folder, its certificate checked."""
        delivered = Delivered(run)
        delivered.check(self.shredder, self.image.identity, expect=expect)
        return delivered

    def close(self) -> None:
        """End all guests, and remove what is large."""
        with contextlib.ExitStack() as stack:
            for guest in self.guests:
                stack.callback(guest.close)
        for file in (*self.folder.glob("*.img"), *self.folder.glob("*.zst")):
            file.unlink()

    def _copy(self, stick: Volume) -> Path:
        taken = len(list(self.folder.glob("from-stick-*")))
        return stick.copy_to(self.folder / f"from-stick-{taken + 1}")
