"""What the nodes hold that udev has not looked at: blkid probes them (lsblk asks only udev)."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from shredder.discover.layers import node_path
from shredder.discover.snapshot import RawBlock
from shredder.model import Fact, Unavailable

_TIMEOUT_S = 60
_NOT_PROBED = ("ram", "fd")


def ask_blkid(blocks: Iterable[RawBlock]) -> dict[str, Fact] | Unavailable:
    """Return by kernel name what each node holds that udev does not know, or why that cannot be said."""
    names = [block.name for block in blocks if _is_unknown(block)]
    if names and os.geteuid() != 0:
        return Unavailable("only root may look")
    try:
        return {name: _probe(node_path(name)) for name in names}
    except FileNotFoundError:
        return Unavailable("blkid is not there")


def _is_unknown(block: RawBlock) -> bool:
    is_empty = block.attributes.get("size", "0") == "0" or not block.number
    return not (block.initialised or is_empty or block.name.startswith(_NOT_PROBED))


def _probe(path: str) -> Fact:
    """One call a node: given several, blkid stops at the first in which it finds nothing."""
    if not Path(path).exists():  # of this blkid says nothing
        return Unavailable("its node is not there")
    environment = {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["blkid", "-p", "-o", "export", path],
            env=environment,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Unavailable(f"blkid did not answer within {_TIMEOUT_S} s")
    said = done.stderr.decode("utf-8", "replace").strip()
    if said:  # it exits 2 both when it finds nothing and when it fails
        return Unavailable(f"blkid: {said.rpartition(f'{path}: ')[2].lower()}")
    pairs = dict(line.partition("=")[::2] for line in done.stdout.decode("utf-8", "replace").splitlines())
    table = f"{pairs['PTTYPE']} partition table" if "PTTYPE" in pairs else None
    return pairs.get("TYPE") or table or Unavailable("nothing recognised")
