"""How surely a file was overwritten: what was predicted and what was seen, the worse of the two. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from shredder.log_model import Extent, Grade, Placement, ReadBack, worst
from shredder.model import Unavailable


@dataclass(frozen=True, slots=True)
class Graded:
    """A grade, and why it is no better ("" for PROVEN)."""

    grade: Grade
    reason: str


def join(extents: Iterable[Extent]) -> tuple[tuple[int, int, int], ...]:
    """Return (in the file, physical, length) of each stretch; how it is cut and marked does not count."""
    found: list[tuple[int, int, int]] = []
    for extent in extents:
        last = found[-1] if found else None
        if last and (last[0] + last[2], last[1] + last[2]) == (extent.file_bytes, extent.physical_bytes):
            found[-1] = (last[0], last[1], last[2] + extent.length_bytes)
        else:
            found.append((extent.file_bytes, extent.physical_bytes, extent.length_bytes))
    return tuple(found)


def grade(before: Placement, after: Placement, read_back: ReadBack) -> Graded:
    """Return the grade of a file that was overwritten, flushed, and found as written.

    Args:
        before: its placement before the first write.
        after: its placement after the flush.
        read_back: where the new bytes were read from.
    """
    steps = [Graded(before.expected, before.reason), Graded(after.expected, after.reason)]
    if before.extents != after.extents and join(before.extents) != join(after.extents):
        steps.append(Graded(Grade.MOVED, "its new bytes went to another place"))
    if read_back is not ReadBack.RAW:
        steps.append(Graded(Grade.IN_PLACE, _why_not_raw(after, read_back)))
    least = worst(step.grade for step in steps)
    return next(step for step in steps if step.grade is least)


def _why_not_raw(after: Placement, read_back: ReadBack) -> str:
    if isinstance(after.raw, Unavailable):
        return f"the raw device was not read: {after.raw.unavailable}"
    return "nothing was read back" if read_back is ReadBack.NONE else "the raw device was not read"
