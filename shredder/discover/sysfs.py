"""Small reads from sysfs and procfs, where files come, go and refuse while one looks."""

from pathlib import Path


def read_text(path: Path) -> str | None:
    """Return the stripped content, or None when it is not there or does not want to be read."""
    try:
        return path.read_bytes().decode("utf-8", "replace").replace("\0", "").strip()
    except OSError:
        return None


def list_names(folder: Path) -> tuple[str, ...]:
    """Return the sorted names in a folder; none when it is not there."""
    try:
        return tuple(sorted(entry.name for entry in folder.iterdir()))
    except OSError:
        return ()


def link_name(link: Path) -> str:
    """Return the last part of where a link leads, or ""."""
    try:
        return link.readlink().name
    except OSError:
        return ""
