"""Private texts of the configuration: read from it or from beside it, and kept in memory."""

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from shredder.errors import UndeliveredError
from shredder.settings import Table

Load: TypeAlias = Callable[[str], bytes]

_LIMIT_BYTES = 64 * 1024


def read_secret(table: Table, key: str, load: Load) -> str | None:
    """Return the text under `key`, or of the file that `key` + "_file" names; None when neither is there.

    Args:
        table: where they stand.
        key: the plain key, e.g. "token".
        load: returns the bytes of a file beside the configuration, by its name.

    Raises:
        UsageError: both are given, or what is given is empty, no text, or cannot be read.
    """
    named = f"{key}_file"
    text, name = table.text(key), table.text(named)
    if name is None:
        if text == "":
            raise table.error(key, "is empty")
        return text
    if text is not None:
        raise table.error(named, f'stands beside "{key}"', hint="one of the two is enough")
    if name in ("", ".", "..") or any(sign in name for sign in "/\\\0"):
        raise table.error(named, "is not the plain name of a file beside the configuration")
    return _load_text(table, named, name, load)


def _load_text(table: Table, key: str, name: str, load: Load) -> str:
    try:
        content = load(name)
    except OSError as error:
        raise table.error(key, f"names {name}, which cannot be read: {error.strerror}") from None
    if len(content) > _LIMIT_BYTES:
        raise table.error(key, f"names {name}, which is larger than {_LIMIT_BYTES} bytes")
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise table.error(key, f"names {name}, which is not text (UTF-8)") from None
    if not text:
        raise table.error(key, f"names {name}, which is empty")
    return text


@contextmanager
def private_folder(ram_folder: Path, texts: Mapping[str, str]) -> Iterator[Path]:
    """Yield a folder that holds each text as a file which only we can read; gone afterwards.

    Args:
        ram_folder: the folder is made in it; it lies in memory.
        texts: by the names of the files.

    Raises:
        UndeliveredError: it could not be made.
    """
    try:
        ram_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(prefix="private-", dir=ram_folder)
    except OSError as error:
        raise UndeliveredError(f"{ram_folder} could not be used: {error.strerror}") from None
    with made as name:
        try:
            for file, text in texts.items():
                _write(Path(name) / file, text)
        except OSError as error:
            raise UndeliveredError(f"{ram_folder} could not be written: {error.strerror}") from None
        yield Path(name)


def _write(place: Path, text: str) -> None:
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.rstrip("\n") + "\n")
