"""The one guest of a process; its tests share it, as it takes half a minute to boot."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.support.debian_guest import DebianGuest, find_debian

_TOOLS = ("qemu-system-x86_64", "mmdebstrap", "mkfs.ext4", "setpriv")


@pytest.fixture(scope="session")
def guest(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[DebianGuest]:
    """Return a booted Debian; several processes of pytest-xdist share what it is made of."""
    missing = [
        tool for tool in _TOOLS if not shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    ]
    if missing or os.geteuid() != 0:
        pytest.skip(f"guests need root and {', '.join(missing) or 'nothing else'}")
    shared = tmp_path_factory.getbasetemp()
    if hasattr(request.config, "workerinput"):
        shared = shared.parent
    debian = find_debian(shared / "debian")
    running = DebianGuest(debian, tmp_path_factory.mktemp("guest"))
    try:
        yield running
    finally:
        running.close()
