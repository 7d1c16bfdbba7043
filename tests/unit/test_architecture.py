"""The rules of the house, held against the imports; and that unit tests start no processes."""

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.architecture import house_block, read_sources, violations
from tests.support.no_processes import ProcessStartedError

_ROOT = Path(__file__).parents[2]


def test_every_import_keeps_the_rules_of_the_house() -> None:
    assert violations(read_sources(_ROOT / "shredder")) == []


def test_architecture_names_every_module_and_no_other() -> None:
    named = house_block((_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    there = {str(path.relative_to(_ROOT)) for path in (_ROOT / "shredder").rglob("*.py")}
    modules = {path for path in there if not path.endswith("/__init__.py")}
    assert modules - named == set(), "not in ARCHITECTURE.md"
    assert {path for path in named if path.endswith(".py")} - there == set(), "only in ARCHITECTURE.md"


def _house(**modules: str) -> dict[str, str]:
    """A made-up house; double underscores stand for dots."""
    return {"shredder": "", **{"shredder." + name.replace("__", "."): text for name, text in modules.items()}}


_LAWFUL = {"shredder.__main__": "from shredder.cli import main"} | _house(
    errors="import enum",
    records="from shredder.errors import X",
    model="from shredder import errors",
    erase="",
    erase__medium="import os\nfrom shredder.model import Y",
    erase__engine="from shredder.erase import medium\nfrom . import medium as again\nfrom .medium import Z",
    plan="",
    plan__planner="import hashlib\nfrom shredder.model import Y",
    decommission="",
    decommission__job="from shredder.erase.engine import run\nfrom shredder.plan import planner",
    cli="import click\nfrom shredder import __version__\nfrom shredder.decommission import job",
)


def test_a_lawful_house_passes() -> None:
    assert violations(_LAWFUL) == []


@pytest.mark.parametrize(
    ("module", "text", "said"),
    [
        ("records", "from shredder.model import Y", "records (floor 1) imports shredder.model (floor 2)"),
        ("model", "import shredder.erase.engine", "model (floor 2) imports shredder.erase.engine (floor 3)"),
        ("erase.medium", "from shredder.plan import planner", "strangers on floor 3"),
        ("erase.medium", "from ..plan.planner import P", "strangers on floor 3"),
        ("erase.medium", "from .. import plan", "strangers on floor 3"),
        ("plan.planner", "def late():\n    from shredder.certify.keys import K", "strangers on floor 3"),
        ("decommission.job", "from shredder import cli", "(floor 4) imports shredder.cli (floor 5)"),
        ("plan.planner", "from os import path", "plan is pure"),
        ("plan.planner", "import datetime as d", "plan is pure"),
        ("plan.planner", "import os.path", "plan is pure"),
        ("erase.engine", "def bar():\n    import tqdm", "belongs to the shell"),
        ("erase.engine", "from click import echo", "belongs to the shell"),
        ("attic.box", "", "stands on no floor"),
        ("erase.medium", "from shredder.erase.engine import run", "cycle: "),
        ("erase", "from shredder.erase import engine\nfrom shredder.erase.engine import run", None),
    ],
)
def test_an_unlawful_import_is_found(module: str, text: str, said: str | None) -> None:
    found = violations({**_LAWFUL, f"shredder.{module}": text})
    assert any(said in line for line in found) if said else found == []


def test_the_house_block_is_read() -> None:
    text = (
        "x shredder/no.py\n```text house\n1 shredder/errors.py, shredder/erase/\n  shredder/plan/x.py\n```\n"
    )
    assert house_block(text) == {"shredder/errors.py", "shredder/erase/", "shredder/plan/x.py"}
    assert house_block("no block") == set()


@pytest.mark.parametrize(
    "start",
    [
        lambda: subprocess.run([sys.executable, "-c", ""], check=True),
        lambda: os.system("true"),
        lambda: os.posix_spawn("/bin/true", ["true"], {}),
        os.fork,
        multiprocessing.get_context("fork").Process(target=print).start,
        multiprocessing.get_context("spawn").Process(target=print).start,
        multiprocessing.get_context("forkserver").Process(target=print).start,
    ],
    ids=["subprocess", "system", "posix_spawn", "fork", "mp-fork", "mp-spawn", "mp-forkserver"],
)
def test_unit_tests_start_no_processes(start: Callable[[], object]) -> None:
    with pytest.raises(ProcessStartedError):
        start()
