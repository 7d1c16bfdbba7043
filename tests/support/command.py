"""Runs the shredder command as its users do: as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path


class Shredder:
    """Call it with the command's words. Refuses `--all`: no test may mean every disk of the machine."""

    def __init__(self, folder: Path, undo: ExitStack) -> None:
        self._folder = folder
        self._undo = undo

    def __call__(
        self,
        *words: str | Path,
        timeout_s: float = 60,
        input: str | None = None,
        expect: int | None = 0,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end, in the test's own folder.

        Args:
            words: the arguments.
            timeout_s: seconds until the test fails.
            input: what it reads from standard input; empty when None.
            expect: the exit code that it must end with; None takes any.
            env: variables besides those of the tests.
        """
        done = subprocess.run(
            _command(words),
            input=input or "",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=self._folder,
            env={**os.environ, **(env or {})},
            check=False,
        )
        said = f"shredder {' '.join(map(str, words))} exited {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, said
        assert expect is None or done.returncode == expect, f"expected {expect}: {said}"
        return done

    def start(self, *words: str | Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start it and return at once, for tests that interrupt it; killed when the test ends."""
        process = subprocess.Popen(
            _command(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env={**os.environ, **(env or {})},
        )
        self._undo.callback(_end, process)
        return process


def _command(words: tuple[str | Path, ...]) -> list[str]:
    arguments = [str(word) for word in words]
    assert not any(word.split("=")[0] == "--all" for word in arguments), "tests never say --all"
    return [sys.executable, "-m", "shredder", *arguments]


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
