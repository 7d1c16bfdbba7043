"""Bytes, seconds and rates for people. Programs get plain integers."""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
TIB = 1024 * GIB

_BINARY = ((TIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB"))
_DECIMAL = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def _scaled(size_bytes: int, steps: tuple[tuple[int, str], ...]) -> str:
    for step, name in steps:
        if size_bytes >= step:
            return f"{size_bytes / step:.1f} {name}"
    return f"{size_bytes} B"


def binary_size(size_bytes: int) -> str:
    """Return e.g. "1.8 TiB"."""
    return _scaled(size_bytes, _BINARY)


def decimal_size(size_bytes: int) -> str:
    """Return e.g. "2.0 TB", the figure on the label."""
    return _scaled(size_bytes, _DECIMAL)


def printable(text: str) -> str:
    """Return the text with what could steer a terminal, or fake a line, made visible."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def duration(seconds: float) -> str:
    """Return e.g. "3 h 05 min", "4 min 10 s", "12 s" or "under 1 s"."""
    whole = max(0, round(seconds))
    if whole == 0:
        return "under 1 s"
    hours, rest = divmod(whole, 3600)
    minutes, left_s = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {left_s:02d} s" if minutes else f"{left_s} s"
