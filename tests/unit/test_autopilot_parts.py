"""The autopilot's pure parts, and its consoles on a pseudo-terminal."""

import base64
import itertools
import os
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.decommission.autopilot.carriage import Carriage
from shredder.decommission.autopilot.consoles import Consoles, find_consoles
from shredder.decommission.autopilot.countdown import count_down
from shredder.decommission.autopilot.network import (
    Network,
    NetworkPlaces,
    commands,
    find_interface,
    find_wired,
)
from shredder.decommission.autopilot.network_settings import Interface
from shredder.decommission.autopilot.pinned import check_url, read_pin
from shredder.decommission.autopilot.progress import ProgressLines
from shredder.decommission.autopilot.screen import list_disks, show_disks, show_plan
from shredder.decommission.autopilot.shelf import Shelf
from shredder.decommission.autopilot.sources import Found, Sources, find_configuration, read_command_line
from shredder.decommission.autopilot.ssh import SshServer
from shredder.decommission.autopilot.surroundings import Surroundings
from shredder.decommission.autopilot.targets import find_named, list_blocks, wait_until_quiet
from shredder.decommission.delivery.settings import StickDelivery
from shredder.decommission.volumes import Volume
from shredder.errors import UsageError
from shredder.events import PassStarted, Progress
from shredder.model import DeviceKind, Use, UseKind
from shredder.plan.planner import plan_all, plan_named
from tests.unit.builders import NONE, make_device, make_machine, make_partition, make_request

_WWN = "0x5002538e40a1b2c3"
_ID = "/dev/disk/by-id/ata-ACME"


def _shown(ours: int, wanted: bytes) -> bytes:
    """Return what a terminal was sent, once `wanted` is in it: it may come in pieces."""
    found = b""
    while wanted not in found:
        assert select.select([ours], (), (), 10)[0], found
        found += os.read(ours, 4096)
    return found


def test_a_target_is_found_by_serial_wwn_and_link() -> None:
    disk = make_device("/dev/sda", serial="A", wwn=_WWN, links=(_ID,), partitions=("/dev/sda1",))
    part = make_partition(disk, 1, 0, 4096, links=())
    machine = make_machine(disk, part, make_device("/dev/sdb"))
    for name in ("serial:A", f"wwn:{_WWN}", _ID):
        assert find_named(machine, (name,)) == ("/dev/sda",)
    assert find_named(machine, ("serial:S-sdb", "serial:A")) == ("/dev/sdb", "/dev/sda")


@pytest.mark.parametrize("name", ["serial:a", "serial:", "wwn:0x1", "/dev/sda", f"{_ID}-part1"])
def test_a_target_that_is_not_here_is_an_error(name: str) -> None:
    machine = make_machine(make_device("/dev/sda", serial="A", wwn=_WWN, links=(_ID,)))
    with pytest.raises(UsageError, match="no device here is"):
        find_named(machine, (name,))


def test_a_name_of_several_media_is_an_error_and_two_paths_to_one_are_not() -> None:
    one, other = make_device("/dev/sda", serial="A"), make_device("/dev/sdb", serial="A")
    with pytest.raises(UsageError, match="serial:A may mean any of /dev/sda, /dev/sdb"):
        find_named(make_machine(one, other), ("serial:A",))
    paths = [make_device(path, serial="A", wwn=_WWN) for path in ("/dev/sda", "/dev/sdb")]
    assert find_named(make_machine(*paths), ("serial:A",)) == ("/dev/sda",)


def _wait(come: Callable[[float], int]) -> tuple[float, bool]:
    """Wait by a clock of its own while `come` says how many disks there are at a time."""
    now_s = [0.0]
    quiet = wait_until_quiet(
        lambda: frozenset((f"sd{number}", "8") for number in range(come(now_s[0]))),
        10.0,
        lambda: now_s[0],
        lambda seconds: now_s.append(now_s.pop() + seconds),
    )
    return now_s[0], quiet


def test_all_waits_until_no_more_disks_come() -> None:
    assert _wait(lambda _now_s: 2) == (10.0, True)
    assert _wait(lambda now_s: 2 if now_s < 9 else 3) == (19.0, True)
    assert _wait(int) == (120.0, False)


def test_a_block_node_is_known_by_its_name_and_size(tmp_path: Path) -> None:
    (tmp_path / "sda").mkdir()
    (tmp_path / "sda" / "size").write_text("2048\n")
    (tmp_path / "gone").symlink_to("nowhere")
    assert list_blocks(tmp_path) == {("sda", "2048")}


def _sources(tmp_path: Path, command_line: str = "", volumes: tuple[str, ...] = ()) -> Sources:
    (tmp_path / "cmdline").write_text(command_line)

    @contextmanager
    def mount(volume: Volume) -> Iterator[Path]:
        yield tmp_path / volume.path.rpartition("/")[2]

    def fetch(url: str, pin: bytes) -> str:
        return f"countdown_s = {len(url)}\nnonce = '{pin.hex()}'\n"

    found = tuple(Volume(path, path[:-1], "vfat", removable=True, read_only=False) for path in volumes)
    return Sources(tmp_path / "cmdline", tmp_path / "boot", fetch, lambda: found, mount)


def _find(tmp_path: Path, command_line: str = "", volumes: tuple[str, ...] = ()) -> Found | None:
    return find_configuration(_sources(tmp_path, command_line, volumes))


def _write(folder: Path, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "autopilot.toml").write_text(text)


def test_no_source_has_one(tmp_path: Path) -> None:
    (tmp_path / "sdb1").mkdir()
    assert _find(tmp_path, "quiet splash", ("/dev/sdb1",)) is None


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_the_command_line_comes_first(tmp_path: Path, encode: Callable[[bytes], bytes]) -> None:
    _write(tmp_path / "boot", "countdown_s = 2")
    _write(tmp_path / "sdb1", "surprise = true")
    text = "countdown_s = 1 # \N{LATIN SMALL LETTER Y WITH DIAERESIS}>?"
    value = encode(text.encode()).decode()
    found = _find(tmp_path, f"a shredder.config={value} b\n", ("/dev/sdb1",))
    assert found is not None
    assert found.configuration.countdown_s == 1
    assert found.kept == frozenset()


def test_a_command_line_that_may_be_cut_off_is_refused(tmp_path: Path) -> None:
    value = base64.b64encode(b"countdown_s = 1").decode()
    for length in (2046, 2047):
        line = f"shredder.config={value} ".ljust(length, "x") + "\n"
        if length == 2046:
            assert _find(tmp_path, line) is not None
            continue
        with pytest.raises(UsageError, match="may have been cut off"):
            _find(tmp_path, line)


def test_a_link_to_nowhere_hides_no_source(tmp_path: Path) -> None:
    _write(tmp_path / "sdb1", "countdown_s = 3")
    (tmp_path / "boot").mkdir()
    link = tmp_path / "boot" / "autopilot.toml"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="of the initramfs cannot be read: it is no regular file"):
        _find(tmp_path, "", ("/dev/sdb1",))
    link.unlink()
    (tmp_path / "sdc1").mkdir()
    (tmp_path / "sdc1" / "autopilot.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="of /dev/sdc1 cannot be read"):
        _find(tmp_path, "", ("/dev/sdb1", "/dev/sdc1"))


def test_the_initramfs_comes_before_a_volume(tmp_path: Path) -> None:
    _write(tmp_path / "boot", "countdown_s = 2")
    _write(tmp_path / "sdb1", "surprise = true")
    found = _find(tmp_path, "", ("/dev/sdb1",))
    assert found is not None
    assert found.configuration.countdown_s == 2


def test_a_volume_that_carries_one_is_kept_with_its_disk(tmp_path: Path) -> None:
    _write(tmp_path / "sdb1", "countdown_s = 3")
    found = _find(tmp_path, "", ("/dev/sdb1",))
    assert found is not None
    assert found.where == "autopilot.toml of /dev/sdb1"
    assert found.kept == {"/dev/sdb1", "/dev/sdb"}


def test_a_url_needs_its_pin(tmp_path: Path) -> None:
    pin = base64.b64encode(bytes(range(32))).decode()
    url = "https://me:word@a.example:8443/b?token=c"
    found = _find(tmp_path, f"shredder.url={url} shredder.pin=sha256//{pin}")
    assert found is not None
    assert found.where == "https://a.example:8443"  # without what may be secret
    assert found.configuration.countdown_s == len(url)
    assert found.configuration.request.nonce_hex == bytes(range(32)).hex()


@pytest.mark.parametrize(
    ("command_line", "said"),
    [
        ("shredder.config=%%%", "is not the base64 of a text"),
        ("shredder.config=/w==", "is not the base64 of a text"),
        ("shredder.config=IyA", "is not the base64 of a text"),
        ("shredder.config=YQ== shredder.config=YQ==", "stands twice"),
        ("shredder.config=YQ== shredder.url=https://a", "stand together"),
        ("shredder.url=https://a.example/", "go together"),
        ("shredder.pin=sha256//x", "go together"),
        ("shredder.url=http://a.example/ shredder.pin=sha256//x", "no https address"),
        ("shredder.url=https://a.example/ shredder.pin=sha256//x", r"shredder\.pin is"),
    ],
)
def test_a_broken_command_line_is_an_error(tmp_path: Path, command_line: str, said: str) -> None:
    _write(tmp_path / "boot", "countdown_s = 2")
    with pytest.raises(UsageError, match=said):
        _find(tmp_path, command_line)


def test_files_beside_a_configuration_stay_beside_it(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    _write(tmp_path / "boot", "key_file = 'signing-key.pem'")
    (tmp_path / "boot" / "signing-key.pem").symlink_to(tmp_path / "secret")
    with pytest.raises(UsageError, match="it is no regular file"):
        _find(tmp_path)
    with pytest.raises(UsageError, match="this source has no files beside it"):
        _find(tmp_path, "shredder.config=" + base64.b64encode(b"key_file = 'k'").decode())


def test_a_command_line_with_a_lone_quote_is_read() -> None:
    assert read_command_line("it's shredder.config=YQ==") == {"shredder.config": "YQ=="}
    assert read_command_line('"shredder.config=Y Q"') == {"shredder.config": "Y Q"}


@pytest.mark.parametrize("pin", ["", "sha256//", "sha256//QQ==", "QUJD", "sha1//" + "A" * 43 + "="])
def test_a_pin_is_a_whole_digest(pin: str) -> None:
    with pytest.raises(UsageError):
        read_pin(pin)
    assert read_pin("sha256//" + base64.b64encode(bytes(32)).decode()) == bytes(32)


def test_only_https_is_fetched() -> None:
    check_url("https://a.example/x?y=z")
    for url in ("http://a.example/", "https:///x", "file:///etc/passwd", ""):
        with pytest.raises(UsageError):
            check_url(url)


def test_the_commands_for_an_interface() -> None:
    interface = Interface(
        "", "m", ("192.0.2.7/32", "2001:db8::7/64"), ("192.0.2.1", "fe80::1"), on_link=True, dhcp=False
    )
    assert [" ".join(words) for words in commands("eth0", interface)] == [
        "link set dev eth0 up",
        "address replace 192.0.2.7/32 dev eth0",
        "address replace 2001:db8::7/64 dev eth0 nodad",
        "-4 route replace default via 192.0.2.1 dev eth0 onlink",
        "-6 route replace default via fe80::1 dev eth0 onlink",
    ]
    (_, _, _, route, _) = commands("eth0", replace(interface, on_link=False))
    assert "onlink" not in route


def test_wired_interfaces_are_cards_of_the_ethernet_kind(tmp_path: Path) -> None:
    for name, kind, parts in (
        ("eth0", "1", ("device",)),
        ("wlan0", "1", ("device", "wireless")),
        ("ib0", "32", ("device",)),
        ("bond0", "1", ()),
        ("lo", "772", ()),
    ):
        for part in parts:
            (tmp_path / name / part).mkdir(parents=True)
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "type").write_text(f"{kind}\n")
        (tmp_path / name / "address").write_text("52:54:00:12:34:56\n")
    assert find_wired(tmp_path) == ["eth0"]
    by_mac = Interface("", "52:54:00:12:34:56", (), (), on_link=False, dhcp=True)
    assert find_interface(tmp_path, by_mac) == "eth0"
    assert find_interface(tmp_path, replace(by_mac, mac="00:00:00:00:00:00")) is None
    assert find_interface(tmp_path, replace(by_mac, mac="", name="bond0")) == "bond0"
    assert find_interface(tmp_path, replace(by_mac, mac="", name="eth9")) is None


def test_progress_is_said_every_ten_seconds() -> None:
    said: list[str] = []
    clock = iter((0.0, 4.0, 10.0, 20.0))
    plan = plan_named(make_machine(make_device()), (make_device(),), make_request())
    lines = ProgressLines(plan.steps, said.append, lambda: next(clock))
    lines(PassStarted("/dev/sda", 1))
    for done, errors in ((0, 0), (40, 0), (100, 0), (100, 3)):
        lines(Progress("/dev/sda", 1, False, done << 20, 1000 << 20, errors))
    assert said == [
        "/dev/sda: pass 1/1 begins",
        "/dev/sda: pass 1/1: 10 %, 10 MiB/s, 1 min 30 s left",
        "/dev/sda: pass 1/1: 10 %, 0 MiB/s, 3 ERRORS",
    ]


def test_the_list_of_disks_gives_verdicts() -> None:
    used = make_device("/dev/sdb", uses=(Use(UseKind.MOUNT, "/dev/sdb", "/srv"),))
    empty = make_device("/dev/sr0", kind=DeviceKind.OPTICAL, size_bytes=0)
    machine = make_machine(make_device(), used, empty, driverless=("8086:2822 at 0000:00:17.0",))
    disks = list_disks(machine)
    assert [disk.path for disk in disks] == ["/dev/sda", "/dev/sdb"]
    text = "\n".join(show_disks(disks, machine, frozenset()))
    assert (
        "  1  /dev/sda  8.0 GiB (8.6 GB)  Spinner 8\n     serial S-sda, rotating\n     may be wiped\n" in text
    )
    assert "refused: /dev/sdb is mounted at /srv" in text
    assert "its disks cannot be seen: 8086:2822" in text
    assert max(map(len, text.splitlines())) <= 79


def test_a_plan_for_all_says_what_makes_it_incomplete() -> None:
    machine = make_machine(
        make_device(serial=NONE, instance="diskseq 1"),
        make_device("/dev/sdb", boot=True),
        make_device("/dev/loop0", kind=DeviceKind.LOOP),
        driverless=("8086:2822",),
    )
    lines = "\n".join(show_plan(plan_all(machine, make_request(), frozenset()), ()))
    assert "THESE WILL BE DESTROYED: 1 of 3 devices" in lines
    assert "/dev/loop0" not in lines
    assert "no serial and no WWN" in lines
    assert "not touched: /dev/sdb, serial S-sdb: excepted: carries the running system" in lines
    assert "INCOMPLETE: storage controller without a driver" in lines


def test_the_shelf_knows_what_has_left_the_machine(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "ram")
    shelf.note_begun()
    begun, untouched = shelf.place("1" * 32), shelf.place("2" * 32)
    for folder, event in ((begun, "device-opened"), (untouched, "run-started")):
        folder.mkdir(parents=True)
        (folder / "evidence.jsonl").write_text(f'{{"at":"x","event":"{event}"}}\n')
    assert shelf.undelivered() == (begun,)
    shelf.note_delivered(begun)
    assert shelf.undelivered() == (begun,), "there is no certificate that could have left"
    (begun / "certificate.json").touch()
    shelf.note_delivered(begun)
    assert shelf.undelivered() == ()
    assert shelf.written() == (begun,)
    assert shelf.has_begun
    shelf.close()
    again = Shelf(tmp_path / "ram")
    assert again.has_begun
    again.close()


@pytest.fixture
def terminal() -> Iterator[tuple[int, Consoles]]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    consoles = Consoles([Path("/dev/null"), Path("/dev/does-not-exist"), Path(os.ttyname(theirs))])
    yield ours, consoles
    consoles.close()
    os.close(theirs)
    os.close(ours)


def test_what_is_no_terminal_is_no_console(terminal: tuple[int, Consoles]) -> None:
    assert len(terminal[1].names) == 1


def test_what_could_steer_a_terminal_is_shown_as_text(terminal: tuple[int, Consoles]) -> None:
    ours, consoles = terminal
    consoles.say("serial \x1b[2J\r\x07 \N{PILE OF POO}\nnext")
    assert _shown(ours, b"next\r\n") == b"serial \\x1b[2J\\r\\x07 \\U0001f4a9\r\nnext\r\n"


def test_a_line_can_be_edited(terminal: tuple[int, Consoles]) -> None:
    ours, consoles = terminal
    os.write(ours, b"wrong\x15S\x7f\x7f\x08T4\xff2\r")
    typed = consoles.ask("serial?")
    assert typed is not None
    assert typed.text == "T42"
    assert _shown(ours, b"\b \b").startswith(b"serial? wrong\b \b")


class _Shaky:
    """A destination that fails in a way that nobody foresaw, once."""

    name = "somewhere"

    def __init__(self) -> None:
        self.taken: list[Sequence[Path]] = []
        self._failures = [MemoryError("no room")]

    def prove(self, start: Path) -> None:
        raise AssertionError(start)

    def deliver(self, files: Sequence[Path]) -> None:
        if self._failures:
            raise self._failures.pop()
        self.taken.append(files)


def test_a_failure_that_nobody_foresaw_does_not_end_the_delivery(
    terminal: tuple[int, Consoles], tmp_path: Path
) -> None:
    ours, consoles = terminal
    destination = _Shaky()
    around = Surroundings(
        image="test",
        consoles=consoles,
        sources=_sources(tmp_path),
        network=Network(NetworkPlaces(tmp_path, tmp_path / "resolv.conf", tmp_path), consoles.say),
        start_ssh=lambda _keys: SshServer(None, ""),
        find_targets=lambda _names: (),
        list_blocks=frozenset,
        find_volumes=lambda: (),
        open_destination=lambda _delivery, _run_id, _wants_stop: destination,
        patience_s=0,
        shell=[],
        sleep=lambda _seconds: None,
        monotonic=itertools.count(0.0, 1.0).__next__,
    )
    assert Carriage(around, StickDelivery(1), "0" * 32).deliver(tmp_path) == "somewhere"
    assert destination.taken == [()]
    assert _shown(ours, b"failed: unexpected error: MemoryError: no room; trying again")


def test_an_arrow_types_nothing(terminal: tuple[int, Consoles]) -> None:
    os.write(terminal[0], b"\x1b[A")
    assert terminal[1].ask("serial?", 0.05) is None


def test_a_question_that_nobody_answers_ends(terminal: tuple[int, Consoles]) -> None:
    assert terminal[1].ask("anybody?", 0.05) is None


def test_a_countdown_ends_by_itself_or_by_a_key(terminal: tuple[int, Consoles]) -> None:
    ours, consoles = terminal
    assert count_down(consoles, 1) is None
    assert count_down(consoles, 0) is None
    assert _shown(ours, b"\r\n") == b"the wipe begins in 1 s; ANY KEY STOPS IT\r\n"
    os.write(ours, b"x")
    assert count_down(consoles, 1) in consoles.names


def test_noise_does_not_prolong_a_question(terminal: tuple[int, Consoles]) -> None:
    ours, consoles = terminal

    def make_noise() -> None:
        for _ in range(40):
            os.write(ours, b"~")
            time.sleep(0.05)

    noise = threading.Thread(target=make_noise)
    noise.start()
    began_s = time.monotonic()
    assert consoles.ask("anybody?", 0.3) is None
    assert time.monotonic() - began_s < 1.5
    noise.join()


def test_a_console_that_hangs_up_is_dropped(terminal: tuple[int, Consoles]) -> None:
    gone, theirs = os.openpty()
    consoles = Consoles([Path(os.ttyname(theirs))])
    os.close(theirs)
    assert consoles.names
    os.close(gone)
    consoles.wait_key(0)
    consoles.say("anybody?")
    assert consoles.names == ()
    assert consoles.wait_key(0.01) is None
    consoles.close()


def test_consoles_are_the_usual_ones_and_the_kernels(tmp_path: Path) -> None:
    (tmp_path / "active").write_text("tty0 ttyS1 hvc0\n")
    names = [path.name for path in find_consoles(tmp_path / "active")]
    assert names == ["tty1", "ttyS0", "hvc0", "ttyS1"]
    assert [path.name for path in find_consoles(tmp_path / "none")] == ["tty1", "ttyS0", "hvc0"]
