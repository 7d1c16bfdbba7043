"""Talks to systemd through systemctl(1)."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from shredder.errors import RefusedError, ShredderError
from shredder.logs.load import PROGRAM_PATH

_RUNS = Path("/run/systemd/system")  # sd_booted(3)
_LIMIT_S = 90


class Systemctl:
    """Calls systemctl; answers are in English and in UTC, whatever the user has set."""

    def require(self) -> None:
        """Raise RefusedError where systemd does not run."""
        if not _RUNS.is_dir():
            hint = "have cron, or whatever starts things here, run `shredder logs shred POLICY`"
            raise RefusedError("systemd does not run here", hint=hint)

    def call(self, *words: str) -> str:
        """Return what it printed.

        Raises:
            RefusedError: systemd does not run here.
            ShredderError: the call failed.
        """
        self.require()
        try:
            done = subprocess.run(
                ["systemctl", "--no-ask-password", "--no-pager", *words],
                env={**os.environ, "PATH": PROGRAM_PATH, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ShredderError(f"systemctl {words[0]} cannot be run: {error}") from None
        if done.returncode:
            raise ShredderError(f"systemctl {words[0]} failed: {' '.join(done.stderr.split())}")
        return done.stdout

    def show(self, unit: str, properties: Iterable[str]) -> dict[str, str]:
        """Return some properties of a unit by name.

        Raises:
            ShredderError: as for `call`.
        """
        names = ",".join(properties)
        told = self.call("show", f"--property={names}", "--", unit)
        pairs = (line.partition("=") for line in told.splitlines())
        return {name: value for name, equals, value in pairs if equals}
