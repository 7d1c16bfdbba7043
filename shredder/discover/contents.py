"""What the nodes hold that udev has not looked at: blkid probes them (lsblk asks only udev)."""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator

from shredder.discover.layers import node_path
from shredder.discover.snapshot import RawBlock
from shredder.model import Fact, Unavailable

_TIMEOUT_S = 60
_NOT_PROBED = ("ram", "fd")
_ERROR = re.compile(r"^blkid: error: (/dev/\S+): (.+)$", re.MULTILINE)


def ask_blkid(blocks: Iterable[RawBlock]) -> dict[str, Fact] | Unavailable:
    """Return by kernel name what each node holds that udev does not know, or why that cannot be said."""
    names = {node_path(block.name): block.name for block in blocks if _is_unknown(block)}
    if not names:
        return {}
    if os.geteuid() != 0:
        return Unavailable("only root may look")
    paths = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(
            ["blkid", "--probe", "--output", "export", *names],
            env={"PATH": paths, "LC_ALL": "C"},
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return Unavailable("blkid is not there")
    except (OSError, subprocess.SubprocessError) as error:
        return Unavailable(f"blkid failed: {error}")
    found: dict[str, Fact] = dict.fromkeys(names, Unavailable("nothing recognised"))
    found |= _errors(done.stderr.decode("utf-8", "replace"))
    found |= dict(_contents(done.stdout.decode("utf-8", "replace")))
    return {name: found[path] for path, name in names.items()}


def _is_unknown(block: RawBlock) -> bool:
    size = block.attributes.get("size", "0")
    return bool(block.number) and not (block.initialised or size == "0" or block.name.startswith(_NOT_PROBED))


def _errors(said: str) -> dict[str, Fact]:
    return {path: Unavailable(f"blkid: {why[:1].lower()}{why[1:]}") for path, why in _ERROR.findall(said)}


def _contents(said: str) -> Iterator[tuple[str, Fact]]:
    """Read blocks of KEY=value lines, one block a device, a blank line between."""
    for paragraph in said.split("\n\n"):
        pairs = dict(line.partition("=")[::2] for line in paragraph.splitlines())
        content = pairs.get("TYPE") or (f"{pairs['PTTYPE']} partition table" if "PTTYPE" in pairs else None)
        if content and "DEVNAME" in pairs:
            yield pairs["DEVNAME"], content
