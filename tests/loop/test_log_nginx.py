"""A real nginx, used by a client while its log is renamed, released, summarised by GoAccess and shredded."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.log_files import on_device
from tests.support.log_runs import LogsRun, Place, make_place, shred_by_command
from tests.support.waiting import wait_until

MIB = 1 << 20
SECRET = "hunter2-was-here"
_NEEDED = [name for name in ("nginx", "goaccess") if shutil.which(name) is None]

pytestmark = pytest.mark.skipif(bool(_NEEDED), reason=f"not installed: {', '.join(_NEEDED)}")


class Client:
    """Asks for one page after the other, each by a new connection, and notes what was not answered."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.asked = 0
        self.lost: list[str] = []

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, count: int) -> None:
        """Wait until so many more requests were made."""
        until, ends_at = self.asked + count, time.monotonic() + 60
        while self.asked < until:
            assert time.monotonic() < ends_at
            time.sleep(0.01)

    def _run(self) -> None:
        while not self._stop.is_set():
            self.ask()

    def ask(self) -> None:
        """Make one request."""
        page = f"/?page={self.asked}&{SECRET}"
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            connection.request("GET", page)
            answer = connection.getresponse()
            if answer.status != 200 or answer.read() != b"served\n":
                self.lost.append(f"{page}: {answer.status}")
            connection.close()
        except OSError as error:
            self.lost.append(f"{page}: {error}")
        self.asked += 1


class Nginx:
    """A server of its own; `reopen` is what USR1 does."""

    def __init__(self, place: Place) -> None:
        self.place = place
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.configuration = place.root / "nginx.conf"
        self.configuration.write_text(
            textwrap.dedent(f"""
            user root;
            worker_processes 2;
            pid {place.root}/nginx.pid;
            error_log {place.root}/nginx-error.txt;
            events {{ worker_connections 64; }}
            http {{
                access_log {place.logs}/access.log combined;
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{ return 200 "served\\n"; }}
                }}
            }}
            """)
        )

    @property
    def words(self) -> list[str]:
        return ["nginx", "-c", str(self.configuration)]

    def start(self) -> None:
        subprocess.run(self.words, check=True, timeout=20)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        ends_at = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < ends_at
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        if (self.place.root / "nginx.pid").exists():
            subprocess.run([*self.words, "-s", "stop"], check=False, capture_output=True, timeout=20)
        ends_at = time.monotonic() + 20
        while (self.place.root / "nginx.pid").exists():
            assert time.monotonic() < ends_at
            time.sleep(0.02)


@pytest.fixture
def disk(loop_factory: Callable[..., LoopDevice]) -> LoopDevice:
    return loop_factory(64 * MIB)


@pytest.fixture
def nginx(disk: LoopDevice, mounted: Callable[..., Path]) -> Iterator[Nginx]:
    server = Nginx(make_place(mounted(disk.path, "ext4")))
    yield server
    server.stop()


def policy(nginx: Nginx, release: str) -> None:
    nginx.place.write_policy(f"""
        [[logs]]
        name = "web"
        paths = ["{nginx.place.logs}/*.log*"]
        keep = "0 s"
        rotate = "0 s"
        release = {{ {release} }}
        summarise = ["goaccess", "{{file}}", "--log-format=COMBINED", "--anonymize-ip", "--no-global-config",
                     "-o", "{{state}}/{{name}}-{{date}}.json"]
    """)


def lines_of(nginx: Nginx) -> int:
    return sum(path.read_bytes().count(b"\n") for path in nginx.place.logs.iterdir())


def counted(nginx: Nginx) -> int:
    """Return how many requests the summaries speak of."""
    found = [json.loads(path.read_text()) for path in nginx.place.state.glob("web-*.json")]
    return sum(int(summary["general"]["valid_requests"]) for summary in found)


def test_no_request_is_lost_and_no_line_escapes_the_summary(
    nginx: Nginx, disk: LoopDevice, shredder: Shredder
) -> None:
    policy(nginx, f'how = "command: {" ".join(nginx.words)} -s reopen"')
    nginx.start()
    with Client(nginx.port) as client:
        client.wait_for(50)
        for _ in range(3):
            run = shred_by_command(shredder, nginx.place)
            (result,) = run.results().values()
            assert (result["state"], result["grade"]) == ("unlinked", "proven")
            client.wait_for(30)
    assert client.lost == []
    assert counted(nginx) + lines_of(nginx) == client.asked
    assert counted(nginx) >= 80
    for path in nginx.place.state.glob("web-*.json"):
        assert not re.search(r"\b127\.0\.0\.1\b", path.read_text())
    # nginx is gone and cannot be told to let go, which is said; its last lines are shredded all the same
    nginx.stop()
    shred_by_command(shredder, nginx.place, expect=9)
    assert counted(nginx) == client.asked
    assert lines_of(nginx) == 0
    # the summaries name pages; a line of the log is found nowhere
    assert on_device(disk, b'"GET /?page=') == []
    assert on_device(disk, SECRET.encode())


def test_stopped_shredded_and_started_again(nginx: Nginx, shredder: Shredder) -> None:
    """Every line from before is summarised and shredded when it starts."""
    start = nginx.place.write_script(
        "start",
        f"grep -c . {nginx.place.logs}/* > {nginx.place.root}/seen; exec {' '.join(nginx.words)}",
    )
    stop = nginx.place.write_script(
        "stop",
        f"{' '.join(nginx.words)} -s quit; while test -e {nginx.place.root}/nginx.pid; do sleep 0.05; done",
    )
    policy(nginx, f'how = "stop-start", stop = ["{stop}"], start = ["{start}"]')
    nginx.start()
    client = Client(nginx.port)
    for _ in range(40):
        client.ask()
    run: LogsRun = shred_by_command(shredder, nginx.place)
    assert run.order[-2:] == ["service-back", "logs-ended"]
    assert (nginx.place.root / "seen").read_text() == ""
    nginx.wait_until_up()
    client.ask()
    assert client.lost == []
    assert counted(nginx) == 40
    wait_until(lambda: lines_of(nginx) == 1)  # nginx answers first and writes its line then
