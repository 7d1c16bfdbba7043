"""Plain tables: columns as wide as their content, no frames, no colours."""

from collections.abc import Sequence

from shredder.ranges import Range, total_bytes
from shredder.units import binary_size, printable

_RANGES_SHOWN = 8


def render_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under their heads; the last column is not padded."""
    cells = [tuple(heads), *(tuple(map(printable, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    line = "  ".join(f"{{:<{width}}}" for width in widths)
    return "\n".join(line.format(*row).rstrip() for row in cells)


def render_ranges(what: str, ranges: Sequence[Range], indent: str) -> list[str]:
    """Return lines that give the size of the ranges and the first of them; none when there are none."""
    if not ranges:
        return []
    shown = [f"{indent}  {item}" for item in ranges[:_RANGES_SHOWN]]
    if len(ranges) > _RANGES_SHOWN:
        shown.append(f"{indent}  and {len(ranges) - _RANGES_SHOWN} more; --json and the evidence list them")
    return [f"{indent}{what}: {binary_size(total_bytes(ranges))}", *shown]
