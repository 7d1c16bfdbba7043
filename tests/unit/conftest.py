"""Unit tests start no processes."""

from collections.abc import Iterator

import pytest

from tests.support.no_processes import forbid_processes


@pytest.fixture(scope="package", autouse=True)
def no_processes() -> Iterator[None]:
    """Hold for every test of this folder, and for the fixtures they share."""
    with forbid_processes():
        yield
