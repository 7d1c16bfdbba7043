"""Downloads what the lock file names, once: a cache holds it by its digest."""

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from shredder.errors import ShredderError
from shredder.image.lock import LockedPackage, LockedWheel

_TIMEOUT_S = 60
_AT_ONCE = 8
_RELOCK = "`shredder image lock` resolves the versions that are current now"

Locked = LockedPackage | LockedWheel


def cache_folder() -> Path:
    """Return where downloads are kept: $XDG_CACHE_HOME/shredder, or ~/.cache/shredder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "shredder"


def fetch_all(items: Iterable[Locked], cache: Path) -> dict[str, Path]:
    """Make sure that all files are in the cache, whole and as they were locked.

    Args:
        items: packages and wheels of the lock.
        cache: folder that keeps them; made when it is not there.

    Returns:
        The place of each file, by its digest.

    Raises:
        ShredderError: the mirror no longer has a file, has another one, or does not answer.
    """
    cache.mkdir(parents=True, exist_ok=True)
    wanted = list(items)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        places = list(pool.map(lambda item: _fetch(item, cache), wanted))
    return {item.sha256: place for item, place in zip(wanted, places, strict=True)}


def _fetch(item: Locked, cache: Path) -> Path:
    place = cache / f"{item.sha256}-{item.url.rpartition('/')[2]}"
    if not _is_whole(place, item):
        content = _download(item)
        _check(item, content)
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        part.write_bytes(content)
        part.replace(place)
    return place


def _is_whole(place: Path, item: Locked) -> bool:
    try:
        content = place.read_bytes()
    except FileNotFoundError:
        return False
    return hashlib.sha256(content).hexdigest() == item.sha256


def _download(item: Locked) -> bytes:
    try:
        with urlopen(item.url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - the lock's own places; the digest decides
            content: bytes = answer.read(item.size_bytes + 1)
            return content
    except HTTPError as error:
        error.close()
        raise ShredderError(
            f"the mirror does not have {item.name} {item.version} (HTTP {error.code}: {item.url})",
            hint=_RELOCK,
        ) from None
    except OSError as error:
        raise ShredderError(f"cannot download {item.name} {item.version} from {item.url}: {error}") from None


def _check(item: Locked, content: bytes) -> None:
    if len(content) != item.size_bytes or hashlib.sha256(content).hexdigest() != item.sha256:
        raise ShredderError(
            f"the mirror has something else than the locked {item.name} {item.version} at {item.url}",
            hint=_RELOCK,
        )
