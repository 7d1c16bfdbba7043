"""How a service is made to let go of a log, and brought back: by systemd where it runs, else by commands."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from shredder.erase.transfer import StopFlag
from shredder.log_policy import Release, ReleaseKind
from shredder.logs.clock import Clock
from shredder.logs.commands import Ended, run_command

_SYSTEMD = Path("/run/systemd/system")  # sd_booted(3)
_NO_SYSTEMD = 'systemd does not run here: how = "command: ..." names a command, or stop and start do'
_LONGEST_ANSWER_BYTES = 4096
_PAUSE_S = 0.1


class Service:
    """One service of a rule.

    Args:
        release: how it lets go.
        limit_s: how long each command may take, and how long to wait until it is back.
        clock: waits.
        stop: ends what tells it to let go; never what brings it back.
    """

    def __init__(self, release: Release, limit_s: float, clock: Clock, stop: StopFlag) -> None:
        self._release = release
        self._limit_s = limit_s
        self._clock = clock
        self._stop = stop

    @property
    def name(self) -> str:
        """The unit, or the first word of the command."""
        words = self._release.command or self._release.stop
        return self._release.service or (words[0].rpartition("/")[2] if words else "")

    @property
    def how(self) -> str:
        """As the policy says it."""
        kind = self._release.kind
        return f"signal:{self._release.signal}" if kind is ReleaseKind.SIGNAL else str(kind)

    def is_running(self) -> bool:
        """Return False for a unit that is not active; where commands do it, nobody can tell."""
        return bool(self._release.stop) or not _SYSTEMD.is_dir() or self._is_active()

    def let_go(self) -> str | None:
        """Make it close its logs, or stop it; returns why that failed."""
        release = self._release
        if release.kind is ReleaseKind.COMMAND:
            return self._run(release.command, leaves_none=False).error
        if release.kind is ReleaseKind.STOP_START and release.stop:
            return self._run(release.stop, leaves_none=False).error
        if release.kind is ReleaseKind.NONE:
            return None
        if not _SYSTEMD.is_dir():
            return _NO_SYSTEMD
        if not self._is_active():
            return None  # who does not run has nothing open; and stays as its owner left it
        if release.kind is ReleaseKind.STOP_START:
            return self._systemctl("stop").error
        error = (
            self._send_signal() if release.kind is ReleaseKind.SIGNAL else self._systemctl(release.kind).error
        )
        return error or self._find_trouble()

    def bring_back(self) -> str | None:
        """Start it again after it was stopped; returns why it is not there."""
        release = self._release
        if release.start:
            return run_command(release.start, self._limit_s, StopFlag(), leaves_none=False).error
        if not _SYSTEMD.is_dir():
            return _NO_SYSTEMD
        words = ("systemctl", "start", release.service)
        return run_command(words, self._limit_s, StopFlag()).error or self._find_trouble()

    def _run(self, words: Sequence[str], *, leaves_none: bool = True) -> Ended:
        return run_command(words, self._limit_s, self._stop, leaves_none=leaves_none)

    def _systemctl(self, verb: str) -> Ended:
        return self._run(("systemctl", verb, self._release.service))

    def _is_active(self) -> bool:
        words = ("systemctl", "is-active", "--quiet", self._release.service)
        return run_command(words, self._limit_s, StopFlag()).exit_code == 0

    def _find_trouble(self) -> str | None:
        """Return what keeps it from being active at the time limit."""
        ends_at = self._clock.monotonic() + self._limit_s
        while not self._is_active():
            if self._clock.monotonic() >= ends_at or self._stop.is_set():
                return f"{self._release.service} is not active"
            self._clock.sleep(_PAUSE_S)
        return None

    def _send_signal(self) -> str | None:
        """Send to the main process; a descriptor of it keeps another one from getting the signal."""
        process_id = self._main_process()
        if not process_id:
            return f"systemd knows no main process of {self._release.service}"
        try:
            process = os.pidfd_open(process_id)
        except OSError as error:
            return f"its main process cannot be reached ({error.strerror})"
        try:
            if self._main_process() != process_id:
                return "its main process changed meanwhile"
            signal.pidfd_send_signal(process, signal.Signals[f"SIG{self._release.signal}"])
        except OSError as error:
            return f"its main process took no signal ({error.strerror})"
        finally:
            os.close(process)
        return None

    def _main_process(self) -> int:
        answer = os.memfd_create("answer")
        try:
            words = ("systemctl", "show", "--property=MainPID", "--value", self._release.service)
            run_command(words, self._limit_s, self._stop, output=answer)
            text = os.pread(answer, _LONGEST_ANSWER_BYTES, 0).decode("ascii", "replace").strip()
        finally:
            os.close(answer)
        return int(text) if text.isdigit() else 0
