"""Runs programs, and makes the devices under test: loop devices over files on a tmpfs of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

MIB = 1 << 20
_SPARE_BYTES = 1 << 30  # what the programs themselves may need


class BenchError(Exception):
    """The comparison cannot go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A device that may be overwritten. `own` when it was made here, for this."""

    path: str
    size_bytes: int
    own: bool


def tell(text: str) -> None:
    """Say what goes on, apart from the results."""
    print(text, file=sys.stderr, flush=True)


def run(words: Sequence[str | Path]) -> str:
    """Run a program to its end; returns its output.

    Raises:
        BenchError: it failed; the text is all that it said.
    """
    command = [str(word) for word in words]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",  # nwipe prints bytes that are no text
        process_group=0,
    ) as process:
        try:
            told, complaints = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # with all that it started
            raise
    if process.returncode != 0:
        raise BenchError(f"{' '.join(command)} exited {process.returncode}:\n{f'{told}{complaints}'.strip()}")
    return told


def wall_s(words: Sequence[str | Path]) -> float:
    """Run a program; returns how many seconds the whole process took."""
    begun = time.perf_counter()
    run(words)
    return time.perf_counter() - begun


@contextmanager
def loop_devices(count: int, size_bytes: int) -> Iterator[list[Target]]:
    """Make `count` loop devices of `size_bytes` each, on one tmpfs; all gone afterwards."""
    _check_memory(count * size_bytes)
    with ExitStack() as undo:
        folder = Path(mkdtemp(prefix="shredder-bench-"))
        undo.callback(folder.rmdir)
        room_bytes = count * size_bytes + 16 * MIB
        run(["mount", "-t", "tmpfs", "-o", f"size={room_bytes},mode=0700", "shredder-bench", folder])
        undo.callback(run, ["umount", folder])
        targets = []
        for number in range(count):
            backing = folder / f"{number}.img"
            _fill(backing, size_bytes)
            direct = "on" if takes_direct(backing) else "off"
            path = run(["losetup", "--show", "--find", f"--direct-io={direct}", backing]).strip()
            undo.callback(run, ["losetup", "--detach", path])
            run(["blockdev", "--setrw", path])  # the kernel keeps the mark of an earlier owner
            targets.append(Target(path, size_bytes, own=True))
        yield targets


def _fill(path: Path, size_bytes: int) -> None:
    """Give the file its memory now, so that no run pays for it."""
    block = b"\x5a" * MIB
    with path.open("wb") as file:
        for _ in range(size_bytes // MIB):
            file.write(block)


def takes_direct(path: Path) -> bool:
    """Return whether the file's file system takes O_DIRECT (tmpfs does since Linux 6.6)."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_DIRECT))
    except OSError:
        return False
    return True


def uses_direct(target: Target) -> str:
    """Return what to say of the device's way to its memory."""
    if not target.own:
        return "the device named"
    on = run(["losetup", "--noheadings", "--output", "DIO", target.path]).strip() == "1"
    return f"loop device on tmpfs, direct I/O {'on' if on else 'OFF: this kernel has no O_DIRECT on tmpfs'}"


def _check_memory(needed_bytes: int) -> None:
    facts = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free_bytes = int(facts["MemAvailable"].split()[0]) * 1024
    if free_bytes < needed_bytes + _SPARE_BYTES:
        raise BenchError(
            f"{needed_bytes // MIB} MiB of devices do not fit in memory, {free_bytes // MIB} MiB are free; "
            "take a smaller --size-mib"
        )


def cpu_name() -> str:
    """Return the processor's name as the kernel has it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            return value.strip()
    return os.uname().machine
