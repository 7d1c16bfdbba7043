"""The operator's side of delivery over SSH, as the commands that are typed there."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.decommission.delivery.destination import Destination, Surroundings, open_destination
from shredder.decommission.delivery.settings import SshDelivery
from shredder.errors import UndeliveredError
from tests.delivery.conftest import RUN_ID
from tests.support.command import Shredder
from tests.support.machine import run as run_tool

_SETTINGS = SshDelivery(600)


class _Waiting:
    """A destination call in a thread of its own; `result` is what it raised, once it is over."""

    def __init__(self) -> None:
        self.result: UndeliveredError | None = None
        self.over = threading.Event()
        self.looked = threading.Semaphore(0)
        self.stop = False


@contextmanager
def _waiting(around: Surroundings, call: str, *words: object) -> Iterator[_Waiting]:
    waiting, turn = _Waiting(), threading.Event()

    def sleep(_: float) -> None:
        waiting.looked.release()
        turn.wait(0.02)

    around = replace(around, sleep=sleep, wants_stop=lambda: waiting.stop)
    destination = open_destination(_SETTINGS, RUN_ID, around)

    def run() -> None:
        try:
            getattr(destination, call)(*words)
        except UndeliveredError as error:
            waiting.result = error
        waiting.over.set()

    thread = threading.Thread(target=run)
    thread.start()
    waiting.looked.acquire(timeout=10)
    try:
        yield waiting
    finally:
        waiting.stop = True
        thread.join()


def _fetch(shredder: Shredder, around: Surroundings, *words: str, expect: int = 0) -> str:
    done = shredder("fetch", "--folder", around.fetch_folder, *words, expect=expect)
    return done.stdout if expect == 0 else done.stderr


def _command(around: Surroundings, what: str) -> list[str]:
    return [sys.executable, "-m", "shredder", "fetch", "--folder", str(around.fetch_folder), what]


def _fetch_to(around: Surroundings, target: Path) -> int:
    command = _command(around, "results")
    with target.open("wb") as out:
        return subprocess.run(command, stdout=out, stderr=subprocess.PIPE, timeout=60, check=False).returncode


def _fetch_into_nothing(around: Surroundings, what: str) -> tuple[int, str]:
    """Fetch with a reader that has gone before the first byte."""
    reader, writer = os.pipe()
    os.close(reader)
    command = _command(around, what)
    # what is written stays in a buffer for a while, as it does where nothing is set
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(writer, "wb") as out:
        done = subprocess.run(
            command, stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=settings
        )
    return done.returncode, done.stderr


def test_fetching_the_start_entry_proves_the_way(
    around: Surroundings, shredder: Shredder, start: Path, said: list[str]
) -> None:
    assert "nothing is offered yet" in _fetch(shredder, around, "status")
    assert "not there yet" in _fetch(shredder, around, "start", expect=8)
    with _waiting(around, "prove", start) as waiting:
        assert "waits to be fetched" in _fetch(shredder, around, "status")
        assert not waiting.over.is_set()
        assert _fetch(shredder, around, "start") == start.read_text()
        assert waiting.over.wait(10)
        assert waiting.result is None
    assert "was fetched" in _fetch(shredder, around, "status")
    assert any("shredder fetch start" in line for line in said)


def test_a_start_entry_that_did_not_go_through_starts_nothing(
    around: Surroundings, shredder: Shredder, start: Path
) -> None:
    with _waiting(around, "prove", start) as waiting:
        code, told = _fetch_into_nothing(around, "start")
        assert code == 8
        assert "does not count as fetched" in told
        assert not waiting.over.wait(0.3)
        assert "waits to be fetched" in _fetch(shredder, around, "status")
    assert waiting.result is not None


def test_nobody_fetches(around: Surroundings, start: Path) -> None:
    seconds = iter(range(10_000))
    destination = open_destination(_SETTINGS, RUN_ID, replace(around, monotonic=seconds.__next__))
    with pytest.raises(UndeliveredError, match="nobody fetched the start entry over ssh within 10 min 00 s"):
        destination.prove(start)
    assert 600 <= next(seconds) < 610


def test_results_count_when_their_digest_came_back(
    around: Surroundings, shredder: Shredder, files: tuple[Path, ...], tmp_path: Path
) -> None:
    archive = tmp_path / "results.tar"
    digest = hashlib.sha256(files[-1].read_bytes()).hexdigest()
    assert "not there yet" in _fetch(shredder, around, "results", expect=8)
    with _waiting(around, "deliver", files) as waiting:
        assert "results wait to be fetched" in _fetch(shredder, around, "status")
        # the digest also stands on the screen: by itself it shows nothing
        assert "were not fetched yet" in _fetch(shredder, around, "received", digest, expect=8)
        assert _fetch_to(around, archive) == 0
        assert "fetched, not acknowledged" in _fetch(shredder, around, "status")
        assert not waiting.over.wait(0.3)
        wrong = hashlib.sha256(b"another").hexdigest()
        assert "not the digest" in _fetch(shredder, around, "received", wrong, expect=6)
        assert not waiting.over.wait(0.3)
        _fetch(shredder, around, "received", digest.upper())
        assert waiting.over.wait(10)
        assert waiting.result is None
    assert "fetched and acknowledged" in _fetch(shredder, around, "status")
    (tmp_path / "out").mkdir()
    run_tool("tar", "--extract", "--file", archive, "--directory", tmp_path / "out")  # as the operator would
    folder = tmp_path / "out" / f"shredder-{RUN_ID}"
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {
        file.name: file.read_bytes() for file in files
    }


def test_results_that_did_not_go_through_are_not_fetched(
    around: Surroundings, shredder: Shredder, files: tuple[Path, ...]
) -> None:
    digest = hashlib.sha256(files[-1].read_bytes()).hexdigest()
    with _waiting(around, "deliver", files) as waiting:
        code, told = _fetch_into_nothing(around, "results")
        assert code == 8
        assert "does not count as fetched" in told
        assert "were not fetched yet" in _fetch(shredder, around, "received", digest, expect=8)
        command = f"{sys.executable} -m shredder fetch --folder {around.fetch_folder} results | head -c 20000"
        subprocess.run(["bash", "-c", command], stdout=subprocess.DEVNULL, timeout=60, check=True)
        assert "results wait to be fetched" in _fetch(shredder, around, "status")
        assert not waiting.over.is_set()


def test_a_wait_can_be_stopped_and_taken_up_again(
    around: Surroundings, shredder: Shredder, files: tuple[Path, ...], tmp_path: Path
) -> None:
    with _waiting(around, "deliver", files) as waiting:
        assert _fetch_to(around, tmp_path / "results.tar") == 0
        waiting.stop = True
        assert waiting.over.wait(10)
        assert waiting.result is not None
        assert "stopped" in waiting.result.message
    with _waiting(around, "deliver", files) as waiting:
        _fetch(shredder, around, "received", hashlib.sha256(files[-1].read_bytes()).hexdigest())
        assert waiting.over.wait(10)
        assert waiting.result is None


def test_without_a_certificate_the_evidence_is_acknowledged(
    around: Surroundings, shredder: Shredder, files: tuple[Path, ...], tmp_path: Path
) -> None:
    kept = tuple(file for file in files if not file.name.startswith("certificate"))
    evidence = next(file for file in kept if file.name == "evidence.jsonl")
    with _waiting(around, "deliver", kept) as waiting:
        assert _fetch_to(around, tmp_path / "results.tar") == 0
        told = _fetch(shredder, around, "received", hashlib.sha256(evidence.read_bytes()).hexdigest())
        assert told.startswith("thank you: evidence.jsonl")
        assert waiting.over.wait(10)


def test_another_run_begins_afresh(around: Surroundings, shredder: Shredder, start: Path) -> None:
    with _waiting(around, "prove", start):
        _fetch(shredder, around, "start")
    destination: Destination = open_destination(_SETTINGS, "f" * 32, replace(around, wants_stop=lambda: True))
    with pytest.raises(UndeliveredError, match="stopped"):
        destination.prove(start)
    told = _fetch(shredder, around, "status")
    assert f"run {'f' * 32}" in told
    assert "waits to be fetched" in told


def test_a_terminal_gets_no_archive(around: Surroundings, files: tuple[Path, ...]) -> None:
    primary, secondary = os.openpty()
    try:
        with _waiting(around, "deliver", files):
            done = subprocess.run(
                _command(around, "results"),
                stdout=secondary,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        assert done.returncode == 2
        assert "that is a terminal" in done.stderr
    finally:
        os.close(primary)
        os.close(secondary)


def test_nothing_there_is_for_others(around: Surroundings, start: Path) -> None:
    with _waiting(around, "prove", start):
        assert around.fetch_folder.stat().st_mode & 0o777 == 0o700
