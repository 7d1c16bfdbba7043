"""What the guest tests share: the image, built once, and a workplace whose guests end with the test."""

import fcntl
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.guest import Guest
from tests.support.guest_image import RecoveryImage, find_image
from tests.support.guest_lab import Lab

_GUESTS = pytest.StashKey[list[Guest]]()


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> RecoveryImage:
    """The recovery image; several processes of pytest-xdist share one build."""
    folder = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        folder = folder.parent
    with (folder / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return find_image(folder / "recovery-image")


@pytest.fixture
def lab(
    image: RecoveryImage, shredder: Shredder, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Lab]:
    """Where one test makes its disks and starts its guests."""
    place = Lab(tmp_path, image, shredder)
    request.node.stash[_GUESTS] = place.guests
    yield place
    place.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the guests said last when their test fails."""
    report = yield
    if report.failed and report.when == "call":
        for guest in item.stash.get(_GUESTS, []):
            report.sections.append((f"guest after {guest.age_s:.0f} s", guest.report()))
    return report
