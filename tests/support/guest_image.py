"""The recovery image under test, and the configurations it is given."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shredder import __version__
from shredder.image.loaders import COMMAND_LINE
from tests.support.guest_machine import KernelBoot
from tests.support.guest_media import append_files

IMAGE_VARIABLE = "SHREDDER_IMAGE"
FILE_NAME = "autopilot.toml"
_BUILD_WITHIN_S = 900
_MARK = slice(32768 + 574, 32768 + 574 + 128)


@dataclass(frozen=True, slots=True)
class RecoveryImage:
    """What `shredder image build` left in a folder."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """The kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """The initramfs."""
        return self.folder / "initrd.zst"

    @property
    def iso(self) -> Path:
        """The ISO."""
        return next(self.folder.glob("*.iso"))

    @property
    def netboot(self) -> Path:
        """The folder that a TFTP server hands out."""
        return self.folder / "netboot"

    @property
    def digest(self) -> str:
        """The image's digest, in lower-case hex: as the build says it, and as the ISO bears it."""
        said: str = json.loads((self.folder / "image.json").read_bytes())["digest"]
        with self.iso.open("rb") as iso:
            mark = iso.read(_MARK.stop)[_MARK].decode("ascii").strip()
        assert mark.upper() == f"SHREDDER {said}".upper()
        return said

    @property
    def identity(self) -> str:
        """What certificates call the image."""
        return f"shredder image {__version__} sha256:{self.digest}"

    def boot(self, configuration: str | None = None) -> KernelBoot:
        """Boot kernel and initramfs, with a configuration on the kernel's command line."""
        words = [COMMAND_LINE]
        if configuration is not None:
            words.append(f"shredder.config={base64.b64encode(configuration.encode()).decode()}")
        return KernelBoot(self.kernel, self.initrd, " ".join(words))

    def boot_appended(self, configuration: str, output: Path) -> KernelBoot:
        """Boot kernel and initramfs, with a configuration of any length appended to the latter."""
        initrd = append_files(self.initrd, {f"shredder/{FILE_NAME}": configuration.encode()}, output)
        return KernelBoot(self.kernel, initrd, COMMAND_LINE)


def find_image(folder: Path) -> RecoveryImage:
    """Return the image that SHREDDER_IMAGE names, or build one in a folder."""
    named = os.environ.get(IMAGE_VARIABLE)
    if named:
        return RecoveryImage(Path(named))
    if not (folder / "SHA256SUMS").exists():
        command = [sys.executable, "-m", "shredder", "image", "build", "--output", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_WITHIN_S, check=False)
        assert done.returncode == 0, f"the image was not built: {done.stderr[-4000:]}"
    return RecoveryImage(folder)


def configure(
    targets: str | Sequence[str],
    delivery: str,
    *,
    countdown_s: int = 1,
    at_end: str = "poweroff",
    lines: Sequence[str] = (),
    tables: str = "",
) -> str:
    """Return a configuration for an unattended run.

    Args:
        targets: "all", or the disks' serials.
        delivery: the lines of the table [delivery].
        countdown_s: seconds.
        at_end: what the machine does then.
        lines: more lines before the tables.
        tables: more tables.
    """
    named = targets if isinstance(targets, str) else [f"serial:{serial}" for serial in targets]
    top = [f"targets = {json.dumps(named)}", f"countdown_s = {countdown_s}", f'at_end = "{at_end}"', *lines]
    return "\n".join([*top, "[delivery]", delivery, tables]) + "\n"
