"""Runs the system's own tools, and tells what this machine lets the tests do."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path


def run(*words: str | Path, input: str | None = None) -> str:
    """Run a system tool; returns its output, and fails the test with all it said when it fails."""
    done = subprocess.run(
        [str(word) for word in words], input=input, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip()
        raise AssertionError(f"{' '.join(map(str, words))} exited {done.returncode}: {said}")
    return done.stdout


@cache
def allow_words() -> tuple[str, ...]:
    """Return `--allow unseen` on a machine that hides some of its processes from root, else nothing.

    Such a machine refuses every block device, rightly; only this one refusal is lifted for the tests.
    """
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    return ("--allow", "unseen") if any(_is_hidden(process) for process in processes) else ()


def _is_hidden(process: Path) -> bool:
    try:
        for link in (process / "fd").iterdir():
            link.stat()
    except PermissionError:
        return True
    except OSError:  # it has ended
        return False
    return False


@cache
def why_no_loop() -> str | None:
    """Say why loop devices cannot be made here, or None; found out by making one."""
    if os.geteuid() != 0:
        return "not root"
    with tempfile.NamedTemporaryFile(prefix="shredder-probe-") as file:
        file.truncate(1 << 20)
        try:
            device = run("losetup", "--show", "-f", file.name).strip()
        except (AssertionError, OSError) as error:
            return f"no loop devices: {error}"
        run("losetup", "-d", device)
    return None
