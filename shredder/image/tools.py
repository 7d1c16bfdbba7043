"""Other programs: what they print, and one plain error where they are missing or fail."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from shredder.errors import ShredderError, UsageError


def need_tools(tools: Mapping[str, str]) -> None:
    """Make sure that programs are there.

    Args:
        tools: the Debian package that brings each program, by the program's name.

    Raises:
        UsageError: some are missing; it names them all.
    """
    missing = [name for name in tools if shutil.which(name) is None]
    if missing:
        packages = " ".join(sorted({tools[name] for name in missing}))
        raise UsageError(
            f"missing on this machine: {', '.join(missing)}",
            hint=f"apt-get update && apt-get install -y --no-install-recommends {packages}",
        )


def run_tool(
    command: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    folder: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> bytes:
    """Run a program to its end and return what it wrote to its standard output.

    Args:
        command: program and arguments.
        stdin: what it reads.
        folder: where it runs.
        variables: added to its environment, which is otherwise ours with LC_ALL=C and TZ=UTC.

    Raises:
        ShredderError: it is missing or failed; with the last line it wrote to its standard error.
    """
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC", **(variables or {})}
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, cwd=folder, env=environment, check=False
        )
    except OSError as error:
        raise ShredderError(f"cannot run {command[0]}: {error.strerror}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise ShredderError(
            f"{command[0]} failed with {done.returncode}: {said[-1] if said else 'no reason given'}"
        )
    return done.stdout


@contextmanager
def first_on_path(folder: Path) -> Iterator[None]:
    """Let programs in `folder` be found before the machine's own."""
    before = os.environ.get("PATH", os.defpath)
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before
