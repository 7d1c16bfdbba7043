"""The test ground: nothing outside what the tests made can be written to (see guard/), and skips count.

SHREDDER_NO_SKIPS=1 turns every skip into a failure: a rung that must run and does not has failed.
"""

import os
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest

from tests.guard import device_guard
from tests.support.command import Shredder
from tests.support.devices import Ground, LoopDevice
from tests.support.machine import why_no_loop
from tests.support.registry import Registry

_TESTS = Path(__file__).parent

device_guard.install()
_paths = [str(_TESTS / "guard"), str(_TESTS.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(filter(None, _paths)))
_folder = tempfile.TemporaryDirectory(prefix="shredder-tests-")
_registry = Registry(Path(_folder.name) / "devices")

# tests have no bounds on time: a busy machine proves nothing
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the rung of loop devices, with the reason, where there are none."""
    rung = [item for item in items if _TESTS / "loop" in item.path.parents]
    why = why_no_loop() if rung else None
    for item in rung if why else []:
        item.add_marker(pytest.mark.skip(reason=f"loop tests need root and loop devices: {why}"))


def _must_run() -> bool:
    return os.environ.get("SHREDDER_NO_SKIPS") == "1"


def _reason(longrepr: object) -> str:
    told = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return f"skipped, and SHREDDER_NO_SKIPS is set: {told}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one where skips are not taken."""
    report = yield
    if _must_run() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = _reason(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a module that skips itself as a whole into an error where skips are not taken."""
    report = yield
    if _must_run() and report.skipped:
        report.outcome = "failed"
        report.longrepr = _reason(report.longrepr)
    return report


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Which devices the tests made."""
    return _registry


@pytest.fixture(autouse=True)
def nothing_foreign_touched(registry: Registry) -> Iterator[None]:
    """Fail a test in which the guard had to step in, also where the program kept it to itself."""
    registry.take_refusals()
    yield
    assert registry.take_refusals() == []


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    """What is pushed here is undone in reverse order, each thing whatever happens to the others."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def ground(registry: Registry, tmp_path: Path, undo: ExitStack) -> Ground:
    """Where devices and mounts of one test are made."""
    return Ground(registry, tmp_path, undo)


@pytest.fixture
def loop_factory(ground: Ground) -> Callable[..., LoopDevice]:
    """`loop_factory(size_bytes, sector_bytes=512, direct_io=False, backing_dir=None)`."""
    return ground.make_loop


@pytest.fixture
def zram_factory(ground: Ground) -> Callable[[int], str]:
    """`zram_factory(size_bytes)` returns the path; skips where the kernel adds none."""
    return ground.make_zram


@pytest.fixture
def mounted(ground: Ground) -> Callable[..., Path]:
    """`mounted(device, "ext4")` makes a file system and mounts it, `mounted(device)` mounts what is there."""
    return ground.mount


@pytest.fixture
def shredder(tmp_path: Path, undo: ExitStack) -> Shredder:
    """Run the command; works in the test's own folder."""
    return Shredder(tmp_path, undo)
