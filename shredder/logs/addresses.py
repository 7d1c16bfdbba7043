"""Whether a summary still holds a whole IP address: one that nobody has taken the last part from."""

import html
import mmap
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_IPV4 = re.compile(rb"(?<!\d)(?<!\d\.)(?:\d{1,3}\.){3}\d{1,3}(?!\d|\.\d)")
# words with two colons or more between them, and what an IPv4 address at their end goes on with
_WORDS = re.compile(rb"(?<![\w:])(?:\w*+:){2,}+\w*+(?:(?:\.\d{1,3}){3}(?!\d|\.\d))?")
_ANSI = re.compile(rb"\x1b\[[\d;]*[A-Za-z]")  # ECMA-48, 5.4
_ENCODED = re.compile(rb"%(?:25)*(?:2[Ee]|3[Aa])|&#?\w{1,8};|\\u00(?:2[Ee]|3[Aa])|\\[nrt]")
_GROUP = re.compile(r"[0-9A-Fa-f]{1,4}")
_GROUP_AT_END = re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{1,4}\Z")
_GROUP_AT_START = re.compile(r"[0-9A-Fa-f]{1,4}(?![0-9A-Fa-f])")
_GROUPS = 8
# what is cut out of a word is taken for an address only when there is more of it: std::deque is a name
_SHORT_GROUP, _GROUPS_OF_AN_ADDRESS = 3, 3
_PACKED = (b"\x1f\x8b", b"\x1f\x9d", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh", b"PK\x03\x04", b"7z\xbc\xaf")
_SHORTENED_IPV4 = 0xFF  # the last byte is zero
_SHORTENED_IPV6 = (1 << 64) - 1  # the interface's half is zero


def can_be_searched(path: Path) -> bool:
    """Return whether a file is text of one byte a letter or UTF-8: not packed, not UTF-16, no picture.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size == 0:
        return True
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return not data[:8].startswith(_PACKED) and data.find(b"\0") < 0


def holds_full_address(path: Path) -> bool:
    """Return whether a file holds an IPv4 address with a last byte, or an IPv6 one with an interface part.

    Addresses of no one (loopback, unspecified, broadcast, multicast) do not count. What looks like one and is
    a version number cannot be told apart, and counts.

    Raises:
        OSError: it cannot be read.
    """
    if path.stat().st_size == 0:
        return False
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _holds_full(data):
            return True
        if not _ENCODED.search(data) and not _ANSI.search(data):
            return False
        return _holds_full(_ENCODED.sub(_decode, _ANSI.sub(b" ", data)))


def _decode(found: re.Match[bytes]) -> bytes:
    """Return what stands for a dot or a colon in URLs, HTML and JSON."""
    text = found[0]
    if text.startswith(b"&"):
        return html.unescape(text.decode("ascii")).encode("utf-8", "replace")
    return b" " if len(text) == len(rb"\n") else bytes.fromhex(text[-2:].decode("ascii"))


def _holds_full(data: mmap.mmap | bytes) -> bool:
    return any(map(_is_full_ipv4, _texts(_IPV4, data))) or any(map(_holds_ipv6, _texts(_WORDS, data)))


def _texts(pattern: re.Pattern[bytes], data: mmap.mmap | bytes) -> Iterator[str]:
    return (found[0].decode("ascii") for found in pattern.finditer(data))


def _is_full_ipv4(text: str) -> bool:
    """Zeros may stand before a number: 192.000.002.017."""
    numbers = [int(number) for number in text.split(".")]
    return max(numbers) <= 0xFF and _is_full(IPv4Address(bytes(numbers)))


def _holds_ipv6(words: str) -> bool:
    """Look for an address among words with colons between them: client:2001:db8::1, or 2001:db8::1: GET."""
    if "::" not in words and words.count(":") < _GROUPS - 1:
        return False  # most are times
    return any(
        _is_full_ipv6(text)
        for groups, is_doubtful in _runs(words.split(":"))
        if not is_doubtful or sum(map(bool, groups)) >= _GROUPS_OF_AN_ADDRESS
        for text in _spell(groups)
    )


def _runs(words: list[str]) -> Iterator[tuple[list[str], bool]]:
    """Yield the groups that follow each other, and whether one was cut out of a word that may be a name."""
    run: list[str] = []
    is_doubtful = False
    for word in words:
        if not word or "." in word or _GROUP.fullmatch(word):
            run.append(word)
            continue
        yield run, is_doubtful
        first, last = _GROUP_AT_START.match(word), _GROUP_AT_END.search(word)
        if first:
            yield [*run, first[0]], is_doubtful or _may_be_a_name(first[0])
        run = [last[0]] if last else []
        is_doubtful = bool(run) and _may_be_a_name(run[0])
    yield run, is_doubtful


def _may_be_a_name(group: str) -> bool:
    return len(group) < _SHORT_GROUP or group.isalpha()


def _spell(groups: list[str]) -> Iterator[str]:
    """Yield what the groups may be the address of; a word or a port may stand before or after it."""
    text = ":".join(groups)
    text = text[1:] if text.startswith(":") and not text.startswith("::") else text
    text = text[:-1] if text.endswith(":") and not text.endswith("::") else text
    yield text
    if text.count("::") > 1:
        yield text.partition("::")[2]
        yield text.rpartition("::")[0]
    named = [group for group in text.split(":") if group]
    # digests are spelt as many groups of two digits
    if len(named) > _GROUPS and "::" not in text and max(map(len, named)) > len("ff"):
        yield from (":".join(named[at : at + _GROUPS]) for at in range(len(named) - _GROUPS + 1))


def _is_full_ipv6(text: str) -> bool:
    try:
        address = IPv6Address(text)
    except ValueError:
        return False
    return _is_full(address.ipv4_mapped or address)


def _is_full(address: IPv4Address | IPv6Address) -> bool:
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return bool(int(address) & _SHORTENED_IPV4) and int(address) != 0xFFFFFFFF
    inside = address.sixtofour  # RFC 3056
    return bool(int(address) & _SHORTENED_IPV6) or (inside is not None and _is_full(inside))
