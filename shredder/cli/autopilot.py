"""`shredder autopilot`, in the recovery image."""

import click

from shredder.decommission.autopilot.machine import run_here
from shredder.discover.recovery_image import IDENTITY_PATH, read_identity
from shredder.errors import RefusedError


@click.command("autopilot")
def command() -> None:
    """Run the recovery image: wipe what its configuration names, deliver the certificate, end the machine.

    It has no options. The configuration comes from the kernel's command line, the initramfs, or a removable
    volume labelled SHREDDER; without one it asks on the consoles. It works in the image only.
    """
    identity = read_identity(IDENTITY_PATH)
    if identity is None:
        raise RefusedError(
            "this machine was not started from a recovery image",
            hint="`shredder image build` makes one; here, use `shredder wipe`",
        )
    run_here(str(identity))
