"""What is there: the facts of a machine, and what uses each device. Nothing here decides.

`take_snapshot` does all the looking, `describe` turns what it saw into the nouns of model.py without any I/O.
"""

from shredder.discover.disks import describe, find_device
from shredder.discover.hosts import describe_host
from shredder.discover.images import describe_image
from shredder.discover.probe import take_snapshot
from shredder.discover.snapshot import Snapshot

__all__ = ["Snapshot", "describe", "describe_host", "describe_image", "find_device", "take_snapshot"]
