"""Pieces of a certificate's text that disks and logs share."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import Protocol

from shredder.certify.predicate import HostFacts

WIDTH = 100
LABEL_WIDTH = 22
_SHOWN_RANGES = 8


class Stretch(Protocol):
    """A range of bytes as a certificate writes it."""

    @property
    def start(self) -> str:
        """Its first byte."""

    @property
    def length(self) -> str:
        """How many bytes."""


def field(label: str, value: str, indent: str = "") -> str:
    """Return a line with a label and a value."""
    return f"{indent}{label:<{LABEL_WIDTH}}{value}"


def wrapped(text: str, indent: str = "  ") -> list[str]:
    """Return a text in lines, the further ones indented more."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def host_lines(host: HostFacts) -> Iterator[str]:
    """Return the machine."""
    yield field("host", host.hostname)
    yield field("host vendor", host.vendor)
    yield field("host product", host.product)
    yield field("host serial", host.serial)
    yield field("host product uuid", host.product_uuid)
    yield field("host machine id", host.machine_id)
    yield field("kernel", host.kernel)
    yield field("clock source", host.clock_source)
    yield field("recovery image", host.image)
    yield field("secure boot", host.secure_boot)


def range_lines(label: str, ranges: Sequence[Stretch], evidence_name: str) -> Iterator[str]:
    """Return ranges, the first few in full.

    Raises:
        ValueError: one holds text where a number must stand.
    """
    if not ranges:
        return
    places = "1 range" if len(ranges) == 1 else f"{len(ranges)} ranges"
    yield f"  {label}: {sum(int(item.length) for item in ranges)} bytes in {places}"
    for item in ranges[:_SHOWN_RANGES]:
        first, length = int(item.start), int(item.length)
        yield f"    bytes {first} to {first + length - 1} ({length} bytes)"
    if len(ranges) > _SHOWN_RANGES:
        more = len(ranges) - _SHOWN_RANGES
        yield f"    and {more} more; all of them stand in the certificate's statement and in {evidence_name}"
