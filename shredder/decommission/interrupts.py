"""Ctrl-C, SIGTERM and a lost terminal ask the run to stop; the certificate is written all the same."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from shredder.erase.transfer import StopFlag

_ASKS_TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Yield a flag that is set when the process is asked to stop; afterwards signals are as before."""
    stop = StopFlag()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    # what the caller ignores (nohup) stays ignored
    wanted = [number for number in _ASKS_TO_STOP if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, ask) for number in wanted}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
