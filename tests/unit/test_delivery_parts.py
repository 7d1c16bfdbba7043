"""The small parts of delivery: trying again, addresses, what is delivered, which volumes count."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from shredder.decommission.delivery.destination import Surroundings, open_destination
from shredder.decommission.delivery.parcels import find_results, make_start
from shredder.decommission.delivery.retry import keep_trying, limit_for, limited
from shredder.decommission.delivery.secrets import private_folder
from shredder.decommission.delivery.settings import NoDelivery
from shredder.decommission.delivery.templates import fill, find_foreign
from shredder.decommission.volumes import Node, Volume, choose_volumes, list_nodes
from shredder.errors import UndeliveredError


class _Clock:
    """Seconds that pass only by sleeping."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.longest_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.longest_s = max(self.longest_s, seconds)
        self.now_s += seconds


def _try(
    attempt: Callable[[], None],
    clock: _Clock,
    said: list[str],
    deadline_s: float | None = None,
    wants_stop: Callable[[], bool] = lambda: False,
) -> None:
    keep_trying(
        attempt,
        what="delivering the certificate",
        deadline_s=deadline_s,
        say=said.append,
        wants_stop=wants_stop,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )


class _Failing:
    """Fails the first `times` times; `when_s` holds when it was tried."""

    def __init__(self, clock: _Clock, times: int) -> None:
        self._clock = clock
        self._times = times
        self.when_s: list[float] = []

    def __call__(self) -> None:
        self.when_s.append(self._clock.now_s)
        if len(self.when_s) <= self._times:
            raise UndeliveredError(
                f"no {len(self.when_s)}", hint="look after it" if self._times == 1 else None
            )


def test_what_works_at_once_is_not_talked_about() -> None:
    said: list[str] = []
    _try(_Failing(clock := _Clock(), 0), clock, said)
    assert said == []
    assert clock.now_s == 0


def test_pauses_grow_to_a_ceiling() -> None:
    said: list[str] = []
    attempt = _Failing(clock := _Clock(), 9)
    _try(attempt, clock, said)
    pauses = [after - before for before, after in zip(attempt.when_s, attempt.when_s[1:], strict=False)]
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120, 120]
    assert clock.longest_s <= 1  # a stop is heard within a second
    assert len(said) == 9
    assert said[0] == "delivering the certificate failed: no 1; trying again in 2 s"
    assert said[8] == "delivering the certificate failed: no 9; trying again in 2 min 00 s"


def test_the_hint_is_said_too() -> None:
    said: list[str] = []
    _try(_Failing(clock := _Clock(), 1), clock, said)
    assert said[1:] == ["hint: look after it"]


def test_a_deadline_ends_it_with_the_last_reason() -> None:
    said: list[str] = []
    attempt = _Failing(clock := _Clock(), 1000)
    with pytest.raises(UndeliveredError, match=r"^no 9$"):
        _try(attempt, clock, said, deadline_s=300)
    assert clock.now_s == 300
    assert attempt.when_s[-1] == 300  # one last time at the deadline itself
    assert len(said) == 8


def test_a_stop_ends_a_pause() -> None:
    said: list[str] = []
    attempt = _Failing(clock := _Clock(), 1000)
    with pytest.raises(UndeliveredError, match="delivering the certificate was stopped"):
        _try(attempt, clock, said, wants_stop=lambda: clock.now_s >= 50)
    assert clock.now_s == 50
    with pytest.raises(UndeliveredError, match="stopped"):
        _try(attempt, clock, said, wants_stop=lambda: True)
    assert attempt.when_s[-1] == 30


def test_an_attempt_is_broken_off_at_its_limit_and_when_stopped() -> None:
    before = signal.getsignal(signal.SIGALRM)
    began_s = time.monotonic()
    with pytest.raises(UndeliveredError, match=r"^it: not done within 1 s$"), limited("it", 1, lambda: False):
        time.sleep(20)
    with pytest.raises(UndeliveredError, match=r"^it: stopped$"), limited("it", 20, lambda: True):
        time.sleep(20)
    assert time.monotonic() - began_s < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) is before


def test_the_limit_of_an_attempt_ends_with_it() -> None:
    with limited("it", 0.2, lambda: False):
        pass
    with pytest.raises(KeyError), limited("it", 0.2, lambda: False):
        raise KeyError
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    time.sleep(0.4)


def test_what_is_large_gets_longer() -> None:
    assert limit_for(0) == 120
    assert limit_for(20_000_000) == 120 + 1000


def test_other_errors_are_not_swallowed() -> None:
    def broken() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        _try(broken, _Clock(), [])


@pytest.mark.parametrize(
    ("hostname", "there"),
    [("rack-7", "rack-7"), ("../etc", "-etc"), ("", "unnamed"), ("..", "unnamed"), ("a b/\u00e4", "a-b--")],
)
def test_a_hostname_cannot_mean_another_folder(hostname: str, there: str) -> None:
    assert fill("{hostname}/{run_id}/{file}", run_id="1", hostname=hostname, file="f") == f"{there}/1/f"


def test_foreign_placeholders_are_found() -> None:
    known = ("{run_id}", "{file}")
    assert find_foreign("a/{run_id}/{file}", known) is None
    assert find_foreign("a/{hostname}", known) == "{hostname}"
    assert find_foreign("a/{run_id", known) == "{"
    assert find_foreign("a/{{run_id}}", known) == "{"


def test_the_certificate_goes_last(tmp_path: Path) -> None:
    for name in ("certificate.json", "evidence.jsonl", "plan.json", "stranger", ".reserved"):
        (tmp_path / name).write_bytes(b"x")
    assert [file.name for file in find_results(tmp_path)] == [
        "plan.json",
        "evidence.jsonl",
        "certificate.json",
    ]


def test_the_start_entry_is_what_the_evidence_holds_then(tmp_path: Path) -> None:
    with pytest.raises(UndeliveredError, match=r"start.jsonl could not be written"):
        make_start(tmp_path)
    evidence = tmp_path / "evidence.jsonl"
    evidence.write_bytes(b"{}\n")
    start = make_start(tmp_path)
    evidence.write_bytes(b"{}\n{}\n")
    assert (start.name, start.read_bytes()) == ("start.jsonl", b"{}\n")
    assert start not in find_results(tmp_path)


def test_no_delivery_says_so(tmp_path: Path) -> None:
    said: list[str] = []
    around = Surroundings(say=said.append, wants_stop=lambda: False)
    destination = open_destination(NoDelivery(600), "1", around)
    destination.prove(tmp_path / "start.jsonl")
    destination.deliver([tmp_path / "evidence.jsonl", tmp_path / "certificate.json"])
    assert destination.name == "nowhere"
    assert "nothing will be delivered, as configured" in said[0]
    assert said[1].startswith("nothing was delivered, as configured")
    assert str(tmp_path) in said[1]


def test_private_texts_are_ours_alone_and_gone_afterwards(tmp_path: Path) -> None:
    ram = tmp_path / "ram"
    with private_folder(ram, {"key": "secret"}) as folder:
        assert (folder / "key").read_text() == "secret\n"
        assert (folder / "key").stat().st_mode & 0o777 == 0o600
        assert folder.stat().st_mode & 0o777 == 0o700
    assert list(ram.iterdir()) == []
    with pytest.raises(KeyError), private_folder(ram, {"key": "secret"}):
        raise KeyError
    assert list(ram.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(UndeliveredError, match="could not be used"), private_folder(tmp_path / "file", {}):
        pass


def _make_disk(folder: Path, name: str, *partitions: str, **facts: str) -> None:
    """Make what /sys/class/block shows of a disk; `device="no"` leaves out what stands behind it."""
    disk = folder / "devices" / name
    disk.mkdir(parents=True)
    for fact in ("removable", "ro"):
        (disk / fact).write_text(facts.get(fact, "0") + "\n")
    if facts.get("device") != "no":
        (disk / "device").mkdir()
    block_class = folder / "class"
    block_class.mkdir(exist_ok=True)
    (block_class / name).symlink_to(disk)
    for partition in partitions:
        (disk / partition).mkdir()
        (disk / partition / "partition").write_text("1\n")
        (disk / partition / "ro").write_text("1\n")  # a mark on a partition of ours to read only arms nothing
        (block_class / partition).symlink_to(disk / partition)


def test_only_removable_disks_and_read_only_virtual_ones_are_looked_at(tmp_path: Path) -> None:
    _make_disk(tmp_path, "sda", "sda1")
    _make_disk(tmp_path, "sdb", "sdb1", removable="1")
    _make_disk(tmp_path, "sr0", removable="1", ro="1")
    _make_disk(tmp_path, "vdb", "vdb1", ro="1")
    _make_disk(tmp_path, "xvdb", ro="1")
    # software can protect these: SCSI's SWP, an NVMe namespace, an eMMC boot partition
    _make_disk(tmp_path, "sdc", "sdc1", ro="1")
    _make_disk(tmp_path, "nvme0n1", "nvme0n1p1", ro="1")
    _make_disk(tmp_path, "mmcblk0boot0", ro="1")
    _make_disk(tmp_path, "loop0", ro="1", device="no")
    _make_disk(tmp_path, "dm-0", ro="1", device="no")
    _make_disk(tmp_path, "fd0", removable="1")
    assert list_nodes(tmp_path / "class") == (
        Node("sdb", "sdb", removable=True, read_only=False),
        Node("sdb1", "sdb", removable=True, read_only=False),
        Node("sr0", "sr0", removable=True, read_only=True),
        Node("vdb", "vdb", removable=False, read_only=True),
        Node("vdb1", "vdb", removable=False, read_only=True),
        Node("xvdb", "xvdb", removable=False, read_only=True),
    )


def test_only_our_label_counts_whatever_the_file_system() -> None:
    nodes = tuple(Node(f"sd{letter}1", f"sd{letter}", removable=True, read_only=False) for letter in "abcdef")
    content = {
        "/dev/sda1": {"LABEL": "SHREDDER", "TYPE": "vfat"},
        "/dev/sdb1": {"LABEL": "shredder", "TYPE": "vfat"},
        "/dev/sdc1": {"LABEL": "SHREDDER", "TYPE": "crypto_LUKS"},
        "/dev/sdd1": {"TYPE": "vfat"},
        "/dev/sde1": {},
        "/dev/sdf1": {"LABEL": "SHREDDER", "TYPE": "iso9660"},
    }
    found = choose_volumes(nodes, content.__getitem__)
    assert found == (
        Volume("/dev/sda1", "/dev/sda", "vfat", removable=True, read_only=False),
        Volume("/dev/sdc1", "/dev/sdc", "crypto_LUKS", removable=True, read_only=False),
        Volume("/dev/sdf1", "/dev/sdf", "iso9660", removable=True, read_only=False),
    )
    assert [volume.can_be_written for volume in found] == [True, True, False]
    assert not Volume("/dev/sr0", "/dev/sr0", "vfat", removable=True, read_only=True).can_be_written
    assert not Volume("/dev/vdb", "/dev/vdb", "vfat", removable=False, read_only=True).can_be_written
