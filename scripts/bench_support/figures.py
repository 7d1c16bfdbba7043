"""From measured values to ratios, bounds and verdicts; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Values = Mapping[str, Sequence[float]]
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    `value` is None when one side was not measured. With `at_most` the bounds are upper ones.
    """

    name: str
    value: float | None
    must: float | None = None
    aim: float | None = None
    unit: str = ""
    at_most: bool = False

    @property
    def verdict(self) -> str:
        """How the value stands to its bounds."""
        if self.value is None:
            return "not measured"
        if self.must is None:
            return ""
        holds = self.value <= self.must if self.at_most else self.value >= self.must
        if not holds:
            return "FALLS SHORT"
        return "holds, aim reached" if self.aim is not None and self.value >= self.aim else "holds"

    def to_json(self) -> dict[str, Any]:
        """Return the line for programs."""
        return {
            "figure": self.name,
            "value": self.value,
            "unit": self.unit,
            "must": self.must,
            "aim": self.aim,
            "at_most": self.at_most,
            "verdict": self.verdict,
        }


_RATIOS: tuple[tuple[str, str, str, float | None, float | None], ...] = (
    ("one random pass / fio zero-fill", "random", "fio zero-fill", 0.75, 1.0),
    ("one random pass / fio with refilled random buffers", "random", "fio random", 0.95, 1.2),
    ("one random pass / shred -n1", "random", "shred -n1", 2.2, 3.0),
    ("one random pass / nwipe, one pass of its PRNG", "random", "nwipe prng", 5.0, 20.0),
    ("one random pass / scrub -p random", "random", "scrub -p random", None, None),
    ("zero pass / fio zero-fill", "zero", "fio zero-fill", 1.0, 1.25),
    ("zero pass / dd from /dev/zero", "zero", "dd zero", None, None),
    ("one Gutmann pass / one random pass", "gutmann", "random", None, None),
    ("full verification / fio sequential read", "verify", "fio read", 0.5, 0.8),
    ("2 devices at once, sum / 1 device", "2 devices", "1 device", None, None),
    ("4 devices at once, sum / 1 device", "4 devices", "1 device", 0.95, 1.0),
)


def figures(values: Values) -> list[Figure]:
    """Return the table's lines.

    Args:
        values: by name, in bytes a second, bytes (memory) or seconds (start-up), one a run.
    """
    lines = [Figure(name, _ratio(values, over, under), must, aim) for name, over, under, must, aim in _RATIOS]
    one, four = _median(values, "memory of 1"), _median(values, "memory of 4")
    if one is not None and four is not None:
        lines.append(Figure("memory, one device", one / _MIB, 80, unit="MiB", at_most=True))
        lines.append(
            Figure("memory, each further device", (four - one) / 3 / _MIB, 30, unit="MiB", at_most=True)
        )
    start = _ratio(values, "start-up", "import click")
    lines.append(Figure("shredder --version / python -c 'import click'", start, 1.5, at_most=True))
    return lines


_LOG_RATIOS: tuple[tuple[str, str, str, float | None], ...] = (
    (
        "10,000 files of 4 KiB, verified / find and xargs with shred -n1 -u",
        "small shred",
        "small verified",
        6.0,
    ),
    ("10,000 files of 4 KiB, not verified / the same", "small shred", "small unverified", None),
    ("one log of 2 GiB, verified / shred -n1 -u", "big shred", "big verified", 1.2),
    ("one log of 2 GiB, not verified / shred -n1 -u", "big shred", "big unverified", 2.0),
    ("10,000 logs whose records are read first, verified / the same", "small shred", "small dated", None),
    ("10,000 files: overwriting them / the whole command", "small engine", "small verified", None),
    ("one log of 2 GiB: overwriting it / the whole command", "big engine", "big verified", None),
)


def log_figures(values: Values) -> list[Figure]:
    """Return the table's lines for logs.

    Args:
        values: by name, in seconds or bytes (memory), one a run; the shorter time is the higher speed.
    """
    lines = [Figure(name, _ratio(values, over, under), must) for name, over, under, must in _LOG_RATIOS]
    memory = _median(values, "memory")
    memory_mib = None if memory is None else memory / _MIB
    lines.append(Figure("memory, 100,000 files", memory_mib, 100, unit="MiB", at_most=True))
    none_due, all_due = _median(values, "none due"), _median(values, "all due")
    lines.append(Figure("due check, 100,000 files", none_due, 3, unit="s", at_most=True))
    lines.append(Figure("the same, all due: records are read", all_due, None, unit="s", at_most=True))
    return lines


def _median(values: Values, name: str) -> float | None:
    return median(values[name]) if values.get(name) else None


def _ratio(values: Values, over: str, under: str) -> float | None:
    above, below = values.get(over, ()), values.get(under, ())
    if not above or not below:
        return None
    if len(above) == len(below):
        # run by run: a machine that changes its pace does so for both of a round
        return median(one / other for one, other in zip(above, below, strict=True))
    return median(above) / median(below)


def markdown(lines: Sequence[Figure]) -> str:
    """Return the lines as a table that can be pasted."""
    rows = ["| figure | measured | must | aim | |", "|---|---|---|---|---|"]
    for line in lines:
        value = "-" if line.value is None else _number(line.value, line.unit)
        cells = (line.name, value, _bound(line.must, line), _bound(line.aim, line), line.verdict)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _number(value: float, unit: str) -> str:
    if not unit:
        return f"{value:.2f}"
    return f"{value:.1f} s" if unit == "s" else f"{value:.0f} {unit}"


def _bound(value: float | None, line: Figure) -> str:
    if value is None:
        return ""
    return f"{'at most ' if line.at_most else ''}{value:g}{' ' + line.unit if line.unit else ''}"
