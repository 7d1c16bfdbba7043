"""The autopilot on loop devices, with pseudo-terminals as consoles and a real HTTPS server.

It runs as a process of its own (autopilot_driver.py); the tests sit at its consoles.
"""

import base64
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest

from shredder.certify.keys import load_private_key, new_key, private_pem, public_pem
from shredder.decommission.delivery.fetch_folder import FetchFolder
from tests.support.devices import LoopDevice
from tests.support.machine import allow_words
from tests.support.machine import run as run_tool
from tests.support.servers import Authority, HttpsServer

MIB = 1 << 20
SIZE = 4 * MIB
_DRIVER = Path(__file__).with_name("autopilot_driver.py")
_ALLOW = f"allow = {json.dumps([allow_words()[1]] if allow_words() else [])}\n"
_CTRL_C = b"\x03"
_BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()
_SSH = f'[ssh]\nkeys = ["ssh-ed25519 {_BLOB}"]\n'

LoopFactory = Callable[..., LoopDevice]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port: int = server.getsockname()[1]
        return port


class Console:
    """One pseudo-terminal, and what was shown on it."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        self._theirs = theirs  # kept open: a terminal that nobody has open hangs up
        self._descriptors = [self._ours, theirs]
        self.shown = ""
        self._seen = 0

    def read(self, timeout_s: float) -> bool:
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return False
        self.shown += os.read(self._ours, 65536).decode().replace("\r\n", "\n")
        return True

    def type(self, text: str | bytes) -> None:
        os.write(self._ours, text.encode() if isinstance(text, str) else text)

    def expect(self, text: str, timeout_s: float = 120) -> str:
        """Wait for a text after the one waited for last; returns what came before it."""
        until_s = time.monotonic() + timeout_s
        while (at := self.shown.find(text, self._seen)) < 0:
            assert time.monotonic() < until_s, f"never came: {text}\n{self.shown}"
            self.read(0.1)
        before = self.shown[self._seen : at]
        self._seen = at + len(text)
        return before

    def pause(self) -> None:
        """Take no more output, as a terminal does after Ctrl-S."""
        termios.tcflow(self._theirs, termios.TCOOFF)

    def close(self) -> None:
        """Go away, once."""
        while self._descriptors:
            os.close(self._descriptors.pop())


class Machine:
    """A machine that runs the autopilot, and its disks."""

    def __init__(self, folder: Path, make_loop: LoopFactory, undo: ExitStack) -> None:
        self.folder = folder / "run"
        self._undo = undo
        for name in ("boot", "interfaces"):
            (self.folder / name).mkdir(parents=True)
        self.boot_file = self.folder / "boot" / "autopilot.toml"
        self.command_line = self.folder / "cmdline"
        self.command_line.write_text("BOOT_IMAGE=/vmlinuz console=ttyS0\n")
        self.disk = make_loop(SIZE)
        self.before = os.urandom(SIZE)
        self.disk.backing.write_bytes(self.before)
        run_tool("blockdev", "--flushbufs", self.disk.path)
        self.volumes: dict[str, str] = {}
        self.targets = {"serial:D1": self.disk.path}
        self.consoles = [Console(), Console()]
        for console in self.consoles:
            undo.callback(console.close)
        self.console = self.consoles[0]
        self.process: subprocess.Popen[str] | None = None

    def start(self, patience_s: float = 0) -> Console:
        """Boot; returns the first console."""
        settings = {
            "folder": str(self.folder),
            "consoles": [*(console.path for console in self.consoles), "/dev/no-such-console", "/dev/null"],
            "volumes": self.volumes,
            "targets": self.targets,
            "patience_s": patience_s,
            "ssh_port": free_port(),
        }
        file = self.folder / "settings.json"
        file.write_text(json.dumps(settings))
        self.process = subprocess.Popen(
            [sys.executable, str(_DRIVER), str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ,
        )
        self._undo.callback(self._end, self.process)
        return self.console

    def _end(self, process: subprocess.Popen[str]) -> None:
        server = self.folder / "ssh" / "pid"
        if server.exists():
            os.kill(int(server.read_text()), signal.SIGTERM)
            server.unlink(missing_ok=True)  # it takes its file away itself
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def wait_end(self, timeout_s: float = 240) -> str:
        """Return how the machine was to end: the last thing that the driver says."""
        assert self.process is not None
        until_s = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < until_s, self.console.shown
            for console in self.consoles:
                console.read(0.05)
        for console in self.consoles:
            while console.read(0):
                pass
        said, _ = self.process.communicate()
        assert self.process.returncode == 0, said
        return said.strip()

    @property
    def is_untouched(self) -> bool:
        run_tool("blockdev", "--flushbufs", self.disk.path)
        return self.disk.backing.read_bytes() == self.before

    @property
    def last_line(self) -> str:
        return self.console.shown.rstrip().splitlines()[-1]

    @property
    def runs(self) -> list[Path]:
        return sorted((self.folder / "runs").glob("*"))

    def power_off(self) -> None:
        """Choose it in the menu, where nothing is undelivered."""
        self.console.expect("what now? [1-4]")
        self.console.type("4\r")
        assert self.wait_end() == "poweroff"


@pytest.fixture
def machine(tmp_path: Path, loop_factory: LoopFactory, undo: ExitStack) -> Machine:
    return Machine(tmp_path, loop_factory, undo)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HttpsServer]:
    with HttpsServer(Authority(), tmp_path / "server") as running:
        yield running


def _delivery(server: HttpsServer, timeout_s: int = 20, ca: str = "") -> str:
    url = f"{server.url}/{{run_id}}/{{file}}"
    return (
        f'[delivery]\nhow = "https"\nurl = "{url}"\nstart_timeout_s = {timeout_s}\n'
        f"ca = '''{ca or server.authority.pem}'''\n"
    )


def _targets(countdown_s: int = 1, at_end: str = "poweroff") -> str:
    return f'targets = ["serial:D1"]\ncountdown_s = {countdown_s}\nat_end = "{at_end}"\n{_ALLOW}'


def test_unattended_from_the_configuration_to_power_off(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("configuration: autopilot.toml of the initramfs")
    console.expect("THESE WILL BE DESTROYED: 1 of")
    console.expect(f"  {machine.disk.path}  4.0 MiB (4.2 MB)")
    console.expect("the wipe begins in 1 s; ANY KEY STOPS IT")
    console.expect("the start entry was delivered")
    console.expect("erased, verified in full")
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"
    taken = server.taken()
    digest = sha256(taken["certificate.json"]).hexdigest()
    last_screen = console.shown.rpartition("-" * 79)[2]
    assert f"certificate  {digest}" in last_screen
    assert machine.disk.path in last_screen
    assert f"delivered    https to 127.0.0.1:{server.port}" in last_screen
    assert taken["evidence.jsonl"].startswith(taken["start.jsonl"])
    first = json.loads(taken["start.jsonl"].splitlines()[0])
    assert first["event"] == "run-started"
    content = machine.disk.backing.read_bytes()
    assert all(content[at : at + 512] != machine.before[at : at + 512] for at in range(0, SIZE, 512))
    for other in machine.consoles[1:]:
        assert "the wipe begins in 1 s" in other.shown
        assert f"certificate  {digest}" in other.shown


@pytest.mark.parametrize("key", [b"x", b"\x1b[A", b" ", b"\r"], ids=["letter", "arrow", "blank", "enter"])
def test_any_key_on_any_console_stops_the_countdown(
    key: bytes, machine: Machine, server: HttpsServer
) -> None:
    machine.boot_file.write_text(_targets(countdown_s=600) + _delivery(server))
    console = machine.start()
    console.expect("the wipe begins in 600 s")
    machine.consoles[1].expect("the wipe begins in 600 s")
    machine.consoles[1].type(key)
    console.expect("stopped by a key on")
    console.expect("nothing was written")
    console.expect("shredder: ended with exit code 3")
    machine.power_off()
    assert machine.is_untouched
    assert server.requests == []
    assert machine.runs == []


def test_what_was_typed_before_the_countdown_does_not_stop_it(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets() + _delivery(server))
    machine.console.type(b"\x1b[24;80R")  # how a terminal answers a boot loader that asked for its size
    machine.start()
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"


def test_what_was_shown_is_what_is_done(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets(countdown_s=3) + _delivery(server))
    console = machine.start()
    console.expect("the wipe begins in 3 s")
    run_tool("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", machine.disk.path, input="label: gpt\n")
    console.expect("the disks changed meanwhile")
    console.expect("THESE WILL BE DESTROYED: 1 of")
    console.expect("the wipe begins in 3 s")
    console.type("k")
    console.expect("stopped by a key")
    machine.power_off()
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "said", "code"),
    [
        ('targets = "all', "is not valid TOML", 2),
        ('targets = "all"\nsurprise = 1\n[delivery]\nhow = "none"', 'unknown key "surprise"', 2),
        ('targets = ["serial:OTHER"]\n[delivery]\nhow = "none"', "no device here is serial:OTHER", 2),
    ],
    ids=["toml", "key", "target"],
)
def test_what_is_wrong_is_shown_and_nothing_is_wiped(
    text: str, said: str, code: int, machine: Machine
) -> None:
    machine.boot_file.write_text(text)
    console = machine.start()
    console.expect(said)
    console.expect(f"shredder: ended with exit code {code}")
    machine.power_off()
    assert machine.is_untouched
    assert machine.runs == []


def test_a_disk_that_somebody_has_open_is_refused(machine: Machine, undo: ExitStack) -> None:
    undo.callback(os.close, os.open(machine.disk.path, os.O_RDONLY))
    machine.boot_file.write_text(_targets() + '[delivery]\nhow = "none"\n')
    console = machine.start()
    console.expect("is opened by process")
    console.expect("shredder: ended with exit code 3")
    machine.power_off()
    assert machine.is_untouched
    assert machine.runs == []


def test_the_first_source_is_used_whole(machine: Machine, tmp_path: Path, server: HttpsServer) -> None:
    encoded = base64.b64encode(b'targets = "all"\nsurprise = 1\n').decode()
    machine.command_line.write_text(f"quiet shredder.config={encoded} console=tty0\n")
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("shredder.config on the kernel's command line")
    console.expect('unknown key "surprise"')
    machine.power_off()
    assert machine.is_untouched
    assert server.requests == []


def test_two_volumes_with_a_configuration_are_an_error(machine: Machine, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "autopilot.toml").write_text(_targets() + '[delivery]\nhow = "none"\n')
        machine.volumes[f"/dev/{name}"] = str(tmp_path / name)
    console = machine.start()
    console.expect("there are two configurations: autopilot.toml of /dev/one and autopilot.toml of /dev/two")
    machine.power_off()
    assert machine.is_untouched


def test_a_volume_that_carries_the_configuration_is_no_target(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "autopilot.toml").write_text(_targets() + '[delivery]\nhow = "none"\n')
    machine.volumes[machine.disk.path] = str(tmp_path / "stick")
    console = machine.start()
    console.expect(f"configuration: autopilot.toml of {machine.disk.path}")
    console.expect("carries the configuration or receives the certificate")
    machine.power_off()
    assert machine.is_untouched


def test_when_the_start_cannot_be_delivered_the_machine_reboots_untouched(
    machine: Machine, server: HttpsServer
) -> None:
    machine.boot_file.write_text(_targets() + _delivery(server, timeout_s=3, ca=Authority().pem))
    console = machine.start()
    console.expect("delivering the start entry failed")
    assert machine.wait_end() == "reboot"
    assert machine.last_line == "shredder: ended with exit code 8"
    assert "nothing was written" in console.shown
    assert machine.is_untouched
    assert server.requests == []


def test_ctrl_c_while_the_start_is_on_its_way_leaves_the_machine_untouched(
    machine: Machine, server: HttpsServer
) -> None:
    server.stop()
    machine.boot_file.write_text(_targets() + _delivery(server, timeout_s=600))
    console = machine.start()
    console.expect("delivering the start entry failed")
    console.type(_CTRL_C * 2)
    console.expect("stopped by somebody at the machine; nothing was written")
    console.expect("shredder: ended with exit code 3")
    machine.power_off()
    assert machine.is_untouched


def test_a_key_after_the_countdown_stops_until_the_start_entry_is_proven(
    machine: Machine, server: HttpsServer
) -> None:
    server.stop()
    machine.boot_file.write_text(_targets() + _delivery(server, timeout_s=600))
    console = machine.start()
    console.expect("delivering the start entry")
    console.type("k")
    console.expect("stopped by somebody at the machine; nothing was written")
    console.expect("shredder: ended with exit code 3")
    machine.power_off()
    assert machine.is_untouched


def test_noise_on_a_console_does_not_keep_the_certificate(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("WIPING")
    until_s = time.monotonic() + 30
    while "shredder: ended with" not in console.shown and time.monotonic() < until_s:
        console.type("~")
        console.read(0.05)
    assert machine.wait_end() == "poweroff"
    assert "NOT DELIVERED YET" not in console.shown
    assert "certificate.json" in server.taken()


def test_a_destination_that_dies_is_waited_for(machine: Machine, server: HttpsServer) -> None:
    server.answers.extend([200, 500, 500])
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("until they have arrived this machine is not powered off")
    console.expect("delivering evidence and certificate failed")
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"
    assert "certificate.json" in server.taken()


def test_a_key_offers_another_way_out(machine: Machine, server: HttpsServer) -> None:
    server.answers.extend([200, *[500] * 1000])
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("delivering evidence and certificate failed")
    console.type("k")
    console.expect("NOT DELIVERED YET: the only copy is in")
    console.expect("what now? [1-3]")
    console.type("3\r")
    console.expect("this is a shell")
    console.type("hello\n")
    console.expect("it read hello")
    console.expect("delivering evidence and certificate")
    server.answers.clear()
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"


def test_without_a_configuration_the_dialogue_wipes_what_is_chosen(machine: Machine) -> None:
    if allow_words():
        machine.boot_file.write_text(_ALLOW)
    console = machine.start()
    console.expect("nothing is wiped unless you choose it here")
    console.expect("what now? [1-4]")
    console.type("1\r")
    shown = console.expect("numbers of the disks to wipe")
    found = re.search(rf"^ *(\d+)  {machine.disk.path}  4\.0 MiB", shown, re.MULTILINE)
    assert found, shown
    console.type("0 x\r")
    console.expect("there is no 0 in the list")
    console.type(f"9\x7f{found[1]}\r")
    console.expect("method (Enter: random):")
    console.type("magic\r")
    console.expect("method (Enter: random):")
    console.type("zero\r")
    console.expect("where does the certificate go? [1-2]")
    console.type("2\r")
    console.expect("THESE WILL BE DESTROYED")
    console.expect(f"to wipe {machine.disk.path}, type its path ({machine.disk.path}):")
    machine.consoles[1].type(f"{machine.disk.path}\r")
    console.expect(f"(typed on {Path(machine.consoles[1].path).name})")
    console.expect("erased, verified in full")
    console.expect("delivered    NOWHERE")
    console.expect("shredder: ended with exit code 0")
    assert machine.disk.backing.read_bytes() == bytes(SIZE)
    console.expect("NOT DELIVERED: the only copy")
    console.expect("what now? [1-5]")
    console.type("5\r")
    console.expect('type "lose it"')
    console.type("no\r")
    console.expect("what now? [1-5]")
    console.type("5\r")
    console.expect('type "lose it"')
    console.type("lose it\r")
    assert machine.wait_end() == "poweroff"


def test_a_wrong_serial_wipes_nothing(machine: Machine) -> None:
    machine.boot_file.write_text(_ALLOW + '[delivery]\nhow = "none"\n')
    console = machine.start()
    console.expect("what now? [1-4]")
    console.type("1\r")
    shown = console.expect("numbers of the disks to wipe")
    found = re.search(rf"^ *(\d+)  {machine.disk.path}  ", shown, re.MULTILINE)
    assert found
    console.type(f"{found[1]}\r")
    console.expect("method (Enter: random):")
    console.type("\r")
    console.expect("where does the certificate go? [1-3]")
    console.type("1\r")
    console.expect("type its path")
    console.type("/dev/other\r")
    console.expect("nothing was wiped")
    machine.power_off()
    assert machine.is_untouched


def test_a_crash_never_starts_an_unattended_run_twice(machine: Machine, server: HttpsServer) -> None:
    server.answers.extend([200, *[500] * 1000])
    machine.boot_file.write_text(_targets() + _delivery(server))
    console = machine.start()
    console.expect("delivering evidence and certificate failed")
    assert machine.process is not None
    machine.process.kill()
    machine.process.wait()
    server.answers.clear()
    (run,) = machine.runs
    certificate = (run / "certificate.json").read_bytes()
    machine.start()
    console.expect("the autopilot was started again")
    console.expect("erased, verified in full")
    console.expect("delivered https to")
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"
    assert machine.runs == [run]
    assert server.taken()["certificate.json"] == certificate


def test_a_run_that_a_crash_cut_off_is_certified_as_interrupted(
    machine: Machine, server: HttpsServer, tmp_path: Path
) -> None:
    pem = private_pem(new_key())
    (machine.folder / "boot" / "key.pem").write_bytes(pem)
    machine.boot_file.write_text(
        'method = "gutmann"\nkey_file = "key.pem"\n' + _targets() + _delivery(server)
    )
    console = machine.start()
    console.expect("pass 2/35 begins")
    assert machine.process is not None
    machine.process.kill()
    machine.process.wait()
    (run,) = machine.runs
    with (run / "evidence.jsonl").open("ab") as file:
        file.write(b'{"at":"2026-')
    machine.start()
    console.expect("the autopilot was started again")
    console.expect("the evidence stops before the end of the run")
    console.expect("delivered https to")
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 130"
    taken = server.taken()
    for name, content in taken.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "trusted.pem").write_bytes(public_pem(load_private_key(pem).public_key()))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "shredder",
            "certificate",
            "verify",
            "certificate.json",
            "--trust",
            "trusted.pem",
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 130, done.stdout + done.stderr


def test_a_crash_before_the_first_write_is_no_success(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets(countdown_s=600) + _delivery(server))
    console = machine.start()
    console.expect("the wipe begins in 600 s")
    assert machine.process is not None
    machine.process.kill()
    machine.process.wait()
    machine.start()
    console.expect("the autopilot was started again")
    console.expect("shredder: ended with exit code 1")
    machine.power_off()
    assert machine.last_line == "shredder: ended with exit code 1"
    assert machine.is_untouched


_LEAVE_A_CHILD = """
import os, sys
from pathlib import Path
from shredder.decommission.autopilot.shelf import Shelf
shelf = Shelf(Path(sys.argv[1]))
print(child := os.fork(), flush=True)
if not child:
    os.close(1)
    os.read(0, 1)
"""


def test_a_worker_that_outlives_a_crash_does_not_lock_the_autopilot_out(machine: Machine) -> None:
    ours, theirs = os.pipe()
    try:
        subprocess.run([sys.executable, "-c", _LEAVE_A_CHILD, machine.folder], stdin=ours, check=True)
        machine.start()
        machine.power_off()
    finally:
        os.close(theirs)
        os.close(ours)


def test_two_autopilots_do_not_share_a_machine(machine: Machine) -> None:
    machine.start()
    machine.console.expect("what now? [1-4]")
    first = machine.process
    machine.start()
    assert machine.process is not None
    said, _ = machine.process.communicate(timeout=180)
    assert "the autopilot is running already" in said
    machine.process = first
    machine.console.type("4\r")
    assert machine.wait_end() == "poweroff"


def test_a_console_that_goes_away_does_not_end_the_run(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets(countdown_s=2) + _delivery(server))
    machine.start()
    machine.consoles[1].expect("the wipe begins")
    machine.consoles.pop().close()
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"


def test_a_console_that_paused_does_not_hold_up_the_run(machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets() + _delivery(server))
    machine.consoles[1].pause()
    machine.start()
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"
    assert machine.consoles[1].shown == ""


def test_ctrl_c_twice_stops_the_wipe_and_the_certificate_says_so(
    machine: Machine, server: HttpsServer
) -> None:
    machine.boot_file.write_text('method = "gutmann"\n' + _targets() + _delivery(server))
    console = machine.start()
    console.expect("pass 1/35 begins")
    console.type(_CTRL_C)
    console.expect("Ctrl-C once more within 5 s stops the run")
    console.type(_CTRL_C)
    console.expect("stopping: the certificate will say how far it came")
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 130"
    assert b"run-ended" in server.taken()["evidence.jsonl"]


@pytest.mark.skipif(shutil.which("dropbear") is None, reason="no dropbear: install dropbear-bin")
def test_the_operator_fetches_over_ssh(machine: Machine) -> None:
    machine.boot_file.write_text(_targets(at_end="reboot") + '[delivery]\nhow = "ssh"\n' + _SSH)
    console = machine.start()
    console.expect("host key SHA256:")
    fetch = FetchFolder(machine.folder / "fetch")
    console.expect("waiting for you to fetch the start entry")
    assert machine.is_untouched
    start = io.BytesIO()
    fetch.hand_over_start(start)
    assert b"run-started" in start.getvalue()
    console.expect("waiting for you to fetch the results")
    results = io.BytesIO()
    fetch.hand_over_results(results)
    with tarfile.open(fileobj=io.BytesIO(results.getvalue())) as archive:
        member = next(name for name in archive.getnames() if name.endswith("certificate.json"))
        file = archive.extractfile(member)
        assert file is not None
        digest = sha256(file.read()).hexdigest()
    assert f"certificate  {digest}" in console.shown
    fetch.acknowledge(digest)
    assert machine.wait_end() == "reboot"
    assert machine.last_line == "shredder: ended with exit code 0"


@pytest.mark.parametrize("at_end", ["stay", "shell"])
def test_the_machine_stays_when_it_shall(at_end: str, machine: Machine, server: HttpsServer) -> None:
    machine.boot_file.write_text(_targets(countdown_s=0, at_end=at_end) + _delivery(server))
    console = machine.start()
    console.expect("shredder: ended with exit code 0")
    assert "ANY KEY STOPS IT" not in console.shown
    if at_end == "shell":
        console.expect("press Enter for a shell on this console")
        console.type("\r")
        console.expect("this is a shell")
        console.type("bye\n")
        console.expect("it read bye")
    machine.power_off()


def test_a_stick_labelled_shredder_gets_the_certificate(
    machine: Machine, loop_factory: LoopFactory, mounted: Callable[..., Path], tmp_path: Path
) -> None:
    stick = loop_factory(32 * MIB)
    run_tool("mkfs.ext4", "-q", "-L", "SHREDDER", stick.path)
    machine.volumes[stick.path] = str(tmp_path)
    machine.boot_file.write_text(_targets() + '[delivery]\nhow = "stick"\n')
    machine.start()
    assert machine.wait_end() == "poweroff"
    assert machine.last_line == "shredder: ended with exit code 0"
    (run,) = machine.runs
    (certificate,) = mounted(stick.path).rglob("certificate.json")
    assert certificate.read_bytes() == (run / "certificate.json").read_bytes()


def test_it_is_refused_outside_the_image(machine: Machine) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shredder", "autopilot"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "this machine was not started from a recovery image" in done.stderr
