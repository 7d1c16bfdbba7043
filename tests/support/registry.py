"""The devices that the tests made: the only ones that the guard lets anyone write to."""

import os
from pathlib import Path

from tests.guard.device_guard import REGISTRY_VARIABLE, device_number, refusals_file


class Registry:
    """The file of "major:minor" lines that the guard reads at every open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch()
        os.environ[REGISTRY_VARIABLE] = str(path)

    def add(self, device: str) -> str:
        """Let `device` be written to; returns the number to take back."""
        number = device_number(device)
        self._write({*self._numbers(), number})
        return number

    def remove(self, number: str) -> None:
        """Take the leave back; before the node is freed, as others may get it next."""
        self._write(self._numbers() - {number})

    def take_refusals(self) -> list[str]:
        """Return what the guard refused since the last call, in this process and in all it started."""
        noted = refusals_file(self._path)
        if not noted.exists():
            return []
        lines = noted.read_text().splitlines()
        noted.unlink()
        return lines

    def _numbers(self) -> set[str]:
        return set(self._path.read_text().split())

    def _write(self, numbers: set[str]) -> None:
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text("\n".join(sorted(numbers)))
        fresh.replace(self._path)  # a reader sees the old list or the new one, never half
