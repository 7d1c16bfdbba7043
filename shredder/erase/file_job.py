"""What a file's way through a round needs: the job, what discovery lends, what all files share."""

from dataclasses import dataclass
from typing import Protocol

from shredder.erase.keystream import Source
from shredder.erase.pace import Pace
from shredder.erase.raw_view import RawDevices
from shredder.erase.transfer import Buffers, StopFlag
from shredder.erase.unfinished import Entry
from shredder.log_model import After, FileId, Grade, Placement, Version


class Eyes(Protocol):
    """What the room of discovery lends: how files lie, and which names they have."""

    def refresh(self) -> None:
        """Forget what may have changed since files were placed."""

    def place(self, descriptor: int) -> Placement:
        """Return where an open file lies; raises OSError."""

    def place_again(self, descriptor: int, before: Placement) -> Placement:
        """Return where a file lies that was placed before; raises OSError."""

    def find_names(self, folder: int, device: str, inode: int, links: int) -> tuple[str, ...]:
        """Return the names of an inode, as far as they can be found."""


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file to shred.

    Args:
        path: what the report calls it.
        folder: the absolute path of the folder that holds it; no link in it is followed.
        name: its name there.
        file: which file it must be.
        accept: the predicted grades at which it is touched at all.
        after: what becomes of its name.
        version: what it was like when it was decided on; None where that does not matter.
        continues: what an earlier run left of it.
    """

    path: str
    folder: str
    name: str
    file: FileId
    accept: frozenset[Grade]
    after: After
    version: Version | None = None
    continues: Entry | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    """What all files of a run share. `sources` has one stream a pass."""

    sources: tuple[Source, ...]
    read_back: bool
    pace: Pace
    eyes: Eyes
    devices: RawDevices
    buffers: Buffers
    stop: StopFlag
