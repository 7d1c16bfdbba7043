"""Three ways to show a run: bars on a terminal, lines in a log, JSON for programs."""

import json
import select
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TextIO

import click
from tqdm import tqdm

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
    WriteFailed,
)
from shredder.model import Step
from shredder.ranges import total_bytes
from shredder.records import to_json
from shredder.units import MIB, binary_size, printable

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


def _describe(event: Event, passes: int) -> str | None:
    """Return what a person wants to know of an event; None for what goes without saying."""
    match event:
        case DeviceRefused():
            return "refused: " + "; ".join(refusal.detail for refusal in event.refusals)
        case DeviceOpened():
            return "opened" if event.direct else "opened without direct I/O: reads may come from the cache"
        case PassStarted():
            return f"pass {event.number}/{passes} begins"
        case WriteFailed():
            first = event.ranges[0]
            more = f" and {len(event.ranges) - 1} more" if len(event.ranges) > 1 else ""
            return f"pass {event.number}/{passes}: cannot write {first}{more} ({event.error})"
        case PassEnded():
            return _describe_pass(event, passes)
        case VerifyStarted():
            return f"verification begins: {event.kind}, {binary_size(event.ranges_bytes)} to read"
        case VerifyEnded():
            return _describe_verification(event)
        case DeviceEnded():
            return event.error
        case _:
            return None


def _speed(done_bytes: int, elapsed_ms: int) -> str:
    return f"{done_bytes / MIB / max(elapsed_ms / 1000, 0.001):.0f} MiB/s"


def _describe_pass(event: PassEnded, passes: int) -> str:
    written_bytes = total_bytes(event.written)
    text = f"pass {event.number}/{passes} ended: {binary_size(written_bytes)} written"
    text += f" at {_speed(written_bytes, event.elapsed_ms)}"
    if event.unwritten:
        text += f", {binary_size(total_bytes(event.unwritten))} NOT written"
    for reason in (event.gave_up, event.flush_error and f"flush failed: {event.flush_error}"):
        text += f"; {reason}" if reason else ""
    return text + ("; stopped" if event.stopped else "")


def _describe_verification(event: VerifyEnded) -> str:
    text = f"verification ended: {binary_size(event.checked_bytes)} read back"
    text += f" at {_speed(event.checked_bytes, event.elapsed_ms)}"
    text += f", {binary_size(total_bytes(event.mismatches))} DIFFER" if event.mismatches else ""
    text += f", {binary_size(total_bytes(event.unreadable))} UNREADABLE" if event.unreadable else ""
    text += f"; {event.gave_up}" if event.gave_up else ""
    return text + ("; stopped" if event.stopped else "")


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
            text = _describe(event, self._passes.get(path, 0))
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
        text = _describe(event, len(self._steps[path].passes)) if path in self._steps else None
        if text:
            tqdm.write(f"shredder: {printable(path)}: {printable(text)}", file=sys.stderr)
