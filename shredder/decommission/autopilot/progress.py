"""A run on the consoles: a line for what happens, and one every ten seconds for how far each device is."""

import time
from collections.abc import Callable, Sequence

from shredder.decommission.wording import describe_event
from shredder.events import Event, Progress
from shredder.model import Step
from shredder.units import MIB, duration

_LINE_EVERY_S = 10.0


class ProgressLines:
    """Shows events, see `carry_out`'s monitor.

    Args:
        steps: the targets.
        say: shows one line.
        monotonic: counts seconds.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        say: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._passes = {step.path: len(step.passes) for step in steps}
        self._say = say
        self._monotonic = monotonic
        self._last: dict[str, tuple[float, int]] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        path = getattr(event, "path", "")
        passes = self._passes.get(path, 0)
        if isinstance(event, Progress):
            text = self._progress(event, passes)
        else:
            self._last.pop(path, None)
            text = describe_event(event, passes)
        if text:
            self._say(f"{path}: {text}")

    def _progress(self, event: Progress, passes: int) -> str | None:
        now_s = self._monotonic()
        last_s, last_bytes = self._last.setdefault(event.path, (now_s, event.done_bytes))
        if now_s - last_s < _LINE_EVERY_S:
            return None
        self._last[event.path] = (now_s, event.done_bytes)
        rate = (event.done_bytes - last_bytes) / (now_s - last_s)
        left = f", {duration((event.total_bytes - event.done_bytes) / rate)} left" if rate > 0 else ""
        phase = "verification" if event.verifying else f"pass {event.number}/{passes}"
        percent = 100 * event.done_bytes // max(event.total_bytes, 1)
        errors = f", {event.errors} ERRORS" if event.errors else ""
        return f"{phase}: {percent} %, {rate / MIB:.0f} MiB/s{left}{errors}"
