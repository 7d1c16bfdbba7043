"""What the delivery tests share: a finished run's files, and servers to take them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shredder.decommission.delivery.destination import Surroundings
from tests.support.servers import Authority, HttpsServer, SftpServer

RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The authority that the servers' certificates are from."""
    return Authority()


@pytest.fixture
def server(authority: Authority, tmp_path: Path) -> Iterator[HttpsServer]:
    """An HTTPS server that takes everything."""
    with HttpsServer(authority, tmp_path / "https") as running:
        yield running


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SftpServer]:
    """An SFTP server."""
    with SftpServer(tmp_path / "sftp") as running:
        yield running


@pytest.fixture
def said() -> list[str]:
    """What the destinations said."""
    return []


@pytest.fixture
def around(tmp_path: Path, said: list[str]) -> Surroundings:
    """A machine whose RAM folder is the test's own."""
    return Surroundings(
        say=said.append,
        wants_stop=lambda: False,
        hostname="rack-7",
        ram_folder=tmp_path / "ram",
        fetch_folder=tmp_path / "ram" / "fetch",
        sleep=lambda _: None,
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    """A run's files, the evidence large enough to need many reads."""
    folder = tmp_path / "run [1]"  # what shells and sftp take for a pattern
    folder.mkdir()
    contents = {
        "plan.json": b"{}\n",
        "public-key.pem": b"pem\n",
        "stream-keys.json": b"secret\n",
        "evidence.jsonl": bytes(range(256)) * 8192,
        "certificate.sigstore.json": b"bundle\n",
        "certificate.json": b'{"payload": "certificate"}\n',
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return tuple(folder / name for name in contents)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A start entry."""
    place = tmp_path / "start.jsonl"
    place.write_bytes(b'{"event":"RunStarted"}\n')
    return place


@pytest.fixture(autouse=True)
def nothing_left_in_ram(tmp_path: Path) -> Iterator[None]:
    """Fail a test after which a private key or a mount point is still there."""
    yield
    left = [path.name for path in (tmp_path / "ram").glob("*") if path.name != "fetch"]
    assert left == []
