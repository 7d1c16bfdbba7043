"""Where the configuration comes from; the first source that has one is used whole.

1. The kernel's command line: `shredder.config=` and the base64 of the TOML, or `shredder.url=https://...`
   with `shredder.pin=sha256//BASE64`, the pin of the server's public key. The network it is fetched by has
   DHCP or router advertisements.
2. A cpio appended to the initramfs that holds `/shredder/autopilot.toml`.
3. `autopilot.toml` in the top folder of a removable or read-only volume labelled SHREDDER.

A source that is broken is an error: no later one is asked, and nothing is wiped.
"""

import base64
import binascii
import errno
import os
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shredder.decommission.autopilot.configuration import Configuration, read_configuration
from shredder.decommission.autopilot.pinned import check_url, read_pin
from shredder.decommission.volumes import Volume
from shredder.errors import UsageError

FILE_NAME = "autopilot.toml"
"""What the file is called, in a cpio as on a volume."""

_CONFIG, _URL, _PIN = "shredder.config", "shredder.url", "shredder.pin"
_WORDS = (_CONFIG, _URL, _PIN)
_LIMIT_BYTES = 256 * 1024
# x86 keeps 2048 bytes with the zero at the end, and silently drops the rest (COMMAND_LINE_SIZE)
_CUT_AT_BYTES = 2047


@dataclass(frozen=True, slots=True)
class Found:
    """A configuration and where it was; `kept` are the device nodes that carry it."""

    configuration: Configuration
    where: str
    kept: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sources:
    """The places to look at.

    `fetch` gets a text from an https address whose server holds the pinned key; it tries again where that
    may help. `volumes` finds the volumes that may carry a configuration, `mount` shows one as a folder.
    """

    command_line: Path
    boot_folder: Path
    fetch: Callable[[str, bytes], str]
    volumes: Callable[[], tuple[Volume, ...]]
    mount: Callable[[Volume], AbstractContextManager[Path]]


def find_configuration(sources: Sources) -> Found | None:
    """Return the first configuration there is, or None.

    Raises:
        UsageError: it is broken, or there are several of one kind.
        RefusedError: a volume cannot be mounted.
        UndeliveredError: it could not be fetched.
        OSError: the command line cannot be read.
    """
    words = _read_words(sources.command_line)
    if _CONFIG in words:
        if _URL in words or _PIN in words:
            raise UsageError(f"{_CONFIG} and {_URL} stand together on the kernel's command line")
        where = f"{_CONFIG} on the kernel's command line"
        return Found(read_configuration(_decode(words[_CONFIG]), where, _load_nothing), where, frozenset())
    if _URL in words or _PIN in words:
        return _fetch(words, sources.fetch)
    if os.path.lexists(sources.boot_folder / FILE_NAME):
        return _read_folder(sources.boot_folder, "the initramfs", frozenset())
    return _search_volumes(sources)


def _read_words(command_line: Path) -> dict[str, str]:
    content = command_line.read_bytes().rstrip(b"\n")
    if len(content) >= _CUT_AT_BYTES:
        raise UsageError(
            f"the kernel's command line has {len(content)} bytes: it may have been cut off",
            hint=f"it must be shorter than {_CUT_AT_BYTES}; {_URL}, a cpio or a stick take more",
        )
    return read_command_line(content.decode("utf-8", "replace"))


def read_command_line(text: str) -> dict[str, str]:
    """Return our words on a kernel command line, with their values.

    Raises:
        UsageError: one stands there twice.
    """
    try:
        words = shlex.split(text)
    except ValueError:  # a lone quote, which the kernel takes
        words = text.split()
    found: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in _WORDS:
            if key in found:
                raise UsageError(f"{key} stands twice on the kernel's command line")
            found[key] = value
    return found


def _decode(value: str) -> str:
    try:
        # without its padding it is refused: a value that was cut off looks like that
        return base64.b64decode(
            value, altchars=b"-_" if set(value) & set("-_") else None, validate=True
        ).decode("utf-8")
    except (binascii.Error, ValueError):
        raise UsageError(
            f"{_CONFIG} on the kernel's command line is not the base64 of a text (UTF-8)",
            hint="`base64 -w0 autopilot.toml` prints it; a kernel takes some 2000 characters in all",
        ) from None


def _fetch(words: dict[str, str], fetch: Callable[[str, bytes], str]) -> Found:
    if _URL not in words or _PIN not in words:
        raise UsageError(f"{_URL} and {_PIN} go together on the kernel's command line")
    url = words[_URL]
    check_url(url)
    text = fetch(url, read_pin(words[_PIN]))
    # the rest of the address may be a secret, and the consoles show this
    where = f"https://{urlsplit(url).netloc.rpartition('@')[2]}"
    return Found(read_configuration(text, where, _load_nothing), where, frozenset())


def _load_nothing(name: str) -> bytes:
    raise OSError(0, "this source has no files beside it: write the text into the configuration", name)


def _search_volumes(sources: Sources) -> Found | None:
    found: list[Found] = []
    for volume in sources.volumes():
        with sources.mount(volume) as folder:
            if os.path.lexists(folder / FILE_NAME):
                nodes = frozenset((volume.path, volume.disk))
                found.append(_read_folder(folder, volume.path, nodes))
    if len(found) > 1:
        places = " and ".join(item.where for item in found)
        raise UsageError(f"there are two configurations: {places}", hint="leave one of them in the machine")
    return found[0] if found else None


def _read_folder(folder: Path, place: str, kept: frozenset[str]) -> Found:
    where = f"{FILE_NAME} of {place}"

    def load(name: str) -> bytes:
        return _read_file(folder / name)

    try:
        text = load(FILE_NAME).decode("utf-8")
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{where} is not text (UTF-8)") from None
    return Found(read_configuration(text, where, load), where, kept)


def _read_file(path: Path) -> bytes:
    if not os.path.lexists(path):
        raise FileNotFoundError(errno.ENOENT, "it is not there")
    if not path.is_file() or path.is_symlink():
        raise OSError(0, "it is no regular file")
    with path.open("rb") as file:
        content = file.read(_LIMIT_BYTES + 1)
    if len(content) > _LIMIT_BYTES:
        raise OSError(0, f"it is larger than {_LIMIT_BYTES} bytes")
    return content
