"""How the machine ends: everything is flushed as far as it goes, then it powers off or starts again."""

import subprocess

from shredder.decommission.autopilot.configuration import AtEnd
from shredder.decommission.autopilot.tools import ToolError, run_tool

_SYNC_PATIENCE_S = 30
SHELL = ["setsid", "--ctty", "--wait", "/bin/sh", "-l"]
"""A login shell with job control, on the console it is started on."""


def end_machine(how: AtEnd) -> None:
    """Power off or reboot; returns only when the kernel refused.

    Args:
        how: POWEROFF or REBOOT.

    Raises:
        ToolError: it did not work.
    """
    # a disk that hangs would hold up a sync for ever; what matters was flushed and delivered before
    flusher = subprocess.Popen(["busybox", "sync"])
    try:
        flusher.wait(_SYNC_PATIENCE_S)
    except subprocess.TimeoutExpired:
        flusher.kill()
    run_tool(["busybox", "poweroff" if how is AtEnd.POWEROFF else "reboot", "-f"])
    raise ToolError(f"the kernel did not {how}")
