"""Three ways to show a run: bars on a terminal, lines in a log, JSON for programs."""

import json
import select
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click
from tqdm import tqdm

from shredder.decommission.wording import describe_event
from shredder.events import (
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    Event,
    PassEnded,
    PassStarted,
    Progress,
    VerifyEnded,
    VerifyStarted,
)
from shredder.model import Step
from shredder.records import to_json
from shredder.units import printable

_LINE_EVERY_S = 30.0
_PAUSE_LIMIT_S = 1.0

Monitor = Callable[[Event], None]


def choose_monitor(steps: Sequence[Step], *, as_json: bool) -> Monitor:
    """Return what fits the place that the output goes to."""
    if as_json:
        return _patient(show_json, sys.stdout)
    return _patient(Bars(steps) if sys.stderr.isatty() else Lines(steps), sys.stderr)


def _patient(monitor: Monitor, stream: TextIO) -> Monitor:
    """Let a reader that has paused (Ctrl-S, a full pipe) miss events rather than hold up the run."""

    def show(event: Event) -> None:
        wait_s = 0.0 if isinstance(event, Progress) else _PAUSE_LIMIT_S
        if select.select([], [stream], [], wait_s)[1]:
            monitor(event)
            stream.flush()

    return show


def show_json(event: Event) -> None:
    """Print one event as one line of JSON on stdout."""
    click.echo(json.dumps({"event": type(event).__name__, **to_json(event)}))


class Lines:
    """A line on stderr for every event, and one every 30 s for the progress of each device."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._passes = {step.path: len(step.passes) for step in steps}
        self._last_s = dict.fromkeys(self._passes, time.monotonic())

    def __call__(self, event: Event) -> None:
        """Show one event."""
        path = getattr(event, "path", "")
        if isinstance(event, Progress):
            text = self._progress(event)
        else:
            self._last_s[path] = time.monotonic()
            text = describe_event(event, self._passes.get(path, 0))
        if text:
            click.echo(f"shredder: {printable(path)}: {printable(text)}", err=True)

    def _progress(self, event: Progress) -> str | None:
        if time.monotonic() - self._last_s.setdefault(event.path, time.monotonic()) < _LINE_EVERY_S:
            return None
        self._last_s[event.path] = time.monotonic()
        phase = "verification" if event.verifying else f"pass {event.number}/{self._passes[event.path]}"
        percent = 100 * event.done_bytes // max(event.total_bytes, 1)
        return f"{phase}: {percent} %, {event.errors} errors"


class Bars:
    """One bar a device: phase, share, speed, time left, errors. What must stay readable is printed above."""

    def __init__(self, steps: Sequence[Step]) -> None:
        # tqdm's own thread would be copied into the worker processes
        tqdm.monitor_interval = 0
        self._steps = {step.path: step for step in steps}
        self._positions = {step.path: at for at, step in enumerate(steps)}
        self._width = max((len(step.path) for step in steps), default=0)
        self._bars: dict[str, tqdm[Any]] = {}

    def __call__(self, event: Event) -> None:
        """Show one event."""
        path = getattr(event, "path", "")
        if isinstance(event, Progress):
            self._advance(path, event.done_bytes, event.errors)
        elif isinstance(event, PassStarted):
            step = self._steps[path]
            planned = step.passes[event.number - 1]
            self._begin(path, f"pass {event.number}/{len(step.passes)} {planned}", step.identity.size_bytes)
        elif isinstance(event, VerifyStarted):
            self._begin(path, f"verify {event.kind}", event.ranges_bytes)
        elif isinstance(event, PassEnded | VerifyEnded | DeviceEnded | DeviceRefused):
            self._end(path)
        if not isinstance(event, Progress | PassStarted | VerifyStarted | DeviceOpened):
            self._print(path, event)

    def _begin(self, path: str, phase: str, total: int) -> None:
        self._end(path)
        self._bars[path] = tqdm(
            total=total,
            desc=f"{printable(path):<{self._width}}  {phase}",
            unit="iB",  # with the scaled prefix: GiB
            unit_scale=True,
            unit_divisor=1024,
            position=self._positions[path],
            leave=False,
            dynamic_ncols=True,
            file=sys.stderr,
        )

    def _advance(self, path: str, done_bytes: int, errors: int) -> None:
        bar = self._bars.get(path)
        if bar is not None:
            if errors:
                bar.set_postfix_str(f"{errors} errors", refresh=False)
            bar.update(done_bytes - bar.n)

    def _end(self, path: str) -> None:
        bar = self._bars.pop(path, None)
        if bar is not None:
            bar.close()

    def _print(self, path: str, event: Event) -> None:
        text = describe_event(event, len(self._steps[path].passes)) if path in self._steps else None
        if text:
            tqdm.write(f"shredder: {printable(path)}: {printable(text)}", file=sys.stderr)
