"""What happens during a run, in words: for a log, above the bars of a terminal, on the image's consoles."""

from shredder.events import (
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    Event,
    PassEnded,
    PassStarted,
    VerifyEnded,
    VerifyStarted,
    WriteFailed,
)
from shredder.ranges import total_bytes
from shredder.units import MIB, binary_size


def describe_event(event: Event, passes: int) -> str | None:
    """Return what a person wants to know of an event; None for what goes without saying.

    Args:
        event: what happened.
        passes: how many passes are planned for its device.
    """
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
