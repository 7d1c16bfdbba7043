"""Whether the two witnesses say the same of a device. Pure."""

from shredder.discover.identity import SECTOR_BYTES
from shredder.discover.snapshot import RawBlock
from shredder.model import Unavailable


def compare(block: RawBlock, witness: tuple[dict[str, str], ...] | Unavailable) -> tuple[str, ...]:
    """Return where lsblk, through blkinfo, contradicts sysfs on size or read-only.

    Args:
        block: the node as sysfs describes it.
        witness: the nodes that blkinfo lists; a node that it does not know is not contradicted.
    """
    if isinstance(witness, Unavailable):
        return ()
    told = next((node for node in witness if node.get("kname") == block.name), None)
    if told is None:
        return ()
    size_bytes = int(block.attributes.get("size", "0")) * SECTOR_BYTES
    found = []
    if told.get("size", "0") != str(size_bytes):
        found.append(f"size: sysfs says {size_bytes} bytes, lsblk {told.get('size', '0')}")
    ours, theirs = block.attributes.get("ro") == "1", told.get("ro") == "1"
    if ours != theirs:
        found.append(f"read-only: sysfs says {_yes(ours)}, lsblk {_yes(theirs)}")
    return tuple(found)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
