"""Running the system's small tools (`ip`, `udhcpc`, `dropbear`), and what they say when they fail."""

import subprocess
from collections.abc import Mapping, Sequence

_PATIENCE_S = 30


class ToolError(Exception):
    """A tool failed; the text says which, and why."""


def run_tool(words: Sequence[str]) -> str:
    """Run a tool to its end; returns what it printed.

    Raises:
        ToolError: it is missing, failed, or took longer than half a minute.
    """
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    except OSError as error:
        raise ToolError(f"{words[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise ToolError(f"{' '.join(words)}: no end after {_PATIENCE_S} s") from None
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ToolError(f"{' '.join(words)}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def start_tool(
    words: Sequence[str], log: str, env: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a tool that stays; what it says goes to a file.

    Args:
        words: the tool and its arguments.
        log: the file.
        env: its whole environment; None for ours.

    Raises:
        ToolError: it is missing, or the file cannot be written.
    """
    try:
        with open(log, "ab") as file:
            return subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, start_new_session=True
            )
    except OSError as error:
        raise ToolError(f"{words[0]}: {error.strerror}") from None
