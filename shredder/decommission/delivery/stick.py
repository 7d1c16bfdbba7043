"""To a stick: a removable volume labelled SHREDDER gets a folder named by the run.

Each attempt looks for the volume anew, so that a stick may be pulled and another one put in.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from shredder.decommission.volumes import LABEL, Volume, mounted
from shredder.errors import RefusedError, UndeliveredError

_BLOCK_BYTES = 1 << 20


class StickDestination:
    """A volume that can be carried away.

    Args:
        run_id: names the run, and the folder.
        find_volumes: returns what is plugged in now.
        ram_folder: the volume is mounted below it.
    """

    name = f"a removable volume labelled {LABEL}"

    def __init__(
        self, run_id: str, *, find_volumes: Callable[[], tuple[Volume, ...]], ram_folder: Path
    ) -> None:
        self._folder = f"shredder-{run_id}"
        self._find_volumes = find_volumes
        self._ram_folder = ram_folder

    def prove(self, start: Path) -> None:
        """Write the start entry.

        Raises:
            UndeliveredError: it could not be written, or does not read back the same.
        """
        self.deliver((start,))

    def deliver(self, files: Sequence[Path]) -> None:
        """Write the files, unmount, mount again read-only and compare.

        Raises:
            UndeliveredError: one could not be written, or does not read back the same.
        """
        volume = choose_stick(self._find_volumes())
        try:
            with mounted(volume, writable=True, ram_folder=self._ram_folder) as root:
                _write_all(files, root / self._folder)
            with mounted(volume, writable=False, ram_folder=self._ram_folder) as root:
                for file in files:
                    _compare(file, root / self._folder / file.name)
        except OSError as error:
            raise UndeliveredError(f"{volume.path}: {error.strerror}") from None
        except RefusedError as error:
            raise UndeliveredError(error.message, hint=error.hint) from None


def choose_stick(volumes: Sequence[Volume]) -> Volume:
    """Return the one volume that can take files.

    Raises:
        UndeliveredError: there is none, or more than one.
    """
    fit = [volume for volume in volumes if volume.can_be_written]
    if len(fit) == 1:
        return fit[0]
    if fit:
        listed = ", ".join(volume.path for volume in fit)
        raise UndeliveredError(f"several volumes are labelled {LABEL}: {listed}", hint="leave one plugged in")
    if volumes:
        listed = ", ".join(volume.path for volume in volumes)
        raise UndeliveredError(
            f"the volume labelled {LABEL} cannot be written: {listed}",
            hint=f"plug in a FAT stick labelled {LABEL}, its write protection off",
        )
    raise UndeliveredError(
        f"no removable volume labelled {LABEL} is there", hint=f"plug in a FAT stick labelled {LABEL}"
    )


def _write_all(files: Sequence[Path], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in files:
        place = folder / file.name
        part = folder / f"{file.name}.part"
        _copy(file, part)
        part.replace(place)
    _sync_folder(folder)
    _sync_folder(folder.parent)


def _copy(file: Path, place: Path) -> None:
    with file.open("rb") as source, place.open("wb") as target:
        while block := source.read(_BLOCK_BYTES):
            target.write(block)
        target.flush()
        os.fsync(target.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _compare(file: Path, place: Path) -> None:
    with file.open("rb") as ours, place.open("rb") as theirs:
        while True:
            block = ours.read(_BLOCK_BYTES)
            if theirs.read(_BLOCK_BYTES) != block:
                raise UndeliveredError(f"{place.name} does not read back from the stick as it was written")
            if not block:
                return
