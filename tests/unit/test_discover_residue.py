"""What else may hold what the logs held, on machines made of files."""

from pathlib import Path

import pytest

from shredder.discover.residue import ResidueKind, find_residue


def _put(root: Path, path: str, text: str = "x\n") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def _found(root: Path, *folders: str) -> set[tuple[ResidueKind, str]]:
    return {(item.kind, item.where.removeprefix(str(root))) for item in find_residue(folders, root)}


def test_an_empty_machine_has_none(tmp_path: Path) -> None:
    assert _found(tmp_path, "/var/log") == set()


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (ResidueKind.CORE_DUMPS, "var/lib/systemd/coredump/core.nginx.33.zst"),
        (ResidueKind.CORE_DUMPS, "var/crash/_usr_sbin_nginx.0.crash"),
        (ResidueKind.LOGINS, "run/utmp"),
        (ResidueKind.LOGINS, "var/log/wtmp.1"),
        (ResidueKind.LOGINS, "var/log/btmp"),
        (ResidueKind.LOGINS, "var/log/lastlog"),
        (ResidueKind.LOGINS, "var/lib/wtmpdb/wtmp.db"),
        (ResidueKind.CONTAINER_LOGS, "var/lib/docker/containers/0123/0123-json.log.1"),
    ],
)
def test_files_that_tell(tmp_path: Path, kind: ResidueKind, path: str) -> None:
    _put(tmp_path, path)
    assert _found(tmp_path) == {(kind, f"/{path}")}


@pytest.mark.parametrize(
    ("pattern", "where"),
    [
        ("|/usr/lib/systemd/systemd-coredump %P", None),
        ("core", "files named core where programs run"),
        ("/var/cores/%e.%p", "/var/cores/%e.%p"),
    ],
)
def test_where_the_kernel_writes_core_dumps(tmp_path: Path, pattern: str, where: str | None) -> None:
    _put(tmp_path, "proc/sys/kernel/core_pattern", pattern + "\n")
    assert _found(tmp_path) == ({(ResidueKind.CORE_DUMPS, where)} if where else set())


_SWAPS = "Filename Type Size Used Priority\n"
_ROOT_MOUNT = "28 1 253:1 / / rw,relatime - ext4 /dev/mapper/root rw\n"


def _block(root: Path, name: str, *, number: str = "", uuid: str = "", slaves: tuple[str, ...] = ()) -> None:
    folder = root / "sys/class/block" / name
    (folder / "slaves").mkdir(parents=True)
    if uuid:
        _put(folder, "dm/uuid", uuid + "\n")
        _put(folder, "dm/name", f"name-{name}\n")
    for slave in slaves:
        (folder / "slaves" / slave).symlink_to(root / "sys/class/block" / slave)
    if number:
        (root / "sys/dev/block").mkdir(parents=True, exist_ok=True)
        (root / "sys/dev/block" / number).symlink_to(folder)


@pytest.mark.parametrize(
    ("swap", "is_told"),
    [
        ("/dev/sda2", True),
        ("/dev/dm-1", False),
        ("/dev/dm-2", False),
        ("/dev/dm-3", True),
        ("/dev/zram0", False),
        ("/swapfile", False),
        ("/home/swapfile", True),
        ("/gone/swapfile", False),
    ],
)
def test_swap_counts_unless_it_is_seen_to_be_encrypted(tmp_path: Path, swap: str, is_told: bool) -> None:
    _block(tmp_path, "sda2", number="8:2")
    _block(tmp_path, "dm-1", number="253:1", uuid="CRYPT-LUKS2-0123-swap", slaves=("sda2",))
    _block(tmp_path, "dm-2", uuid="LVM-0123", slaves=("dm-1",))
    _block(tmp_path, "dm-3", uuid="LVM-0123", slaves=("dm-1", "sda2"))
    home = "29 28 8:2 / /home rw - ext4 /dev/sda2 rw\n"
    _put(tmp_path, "proc/self/mountinfo", _ROOT_MOUNT + home)
    _put(tmp_path, "proc/swaps", f"{_SWAPS}{swap} partition 1 0 -2\n")
    assert _found(tmp_path) == ({(ResidueKind.SWAP, swap)} if is_told else set())


@pytest.mark.parametrize(
    ("path", "line", "receiver"),
    [
        ("etc/rsyslog.conf", "*.* @logs.example.org:514", "logs.example.org:514"),
        ("etc/rsyslog.d/9.conf", "auth.info;mail.* @@(o)192.0.2.1:6514;format", "192.0.2.1:6514"),
        ("etc/rsyslog.conf", 'action(type="omfwd" protocol="tcp" target="l.example.org")', "l.example.org"),
        ("etc/rsyslog.conf", "# *.* @logs.example.org", None),
        ("etc/rsyslog.conf", "*.* /var/log/all", None),
        ("etc/syslog-ng/syslog-ng.conf", 'destination d { network("192.0.2.1" port(514)); };', "192.0.2.1"),
        ("etc/systemd/journal-upload.conf", "URL=https://logs.example.org", "https://logs.example.org"),
        ("etc/systemd/journal-upload.conf", "# URL=https://logs.example.org", None),
        ("etc/nginx/conf.d/a.conf", "access_log syslog:server=192.0.2.1:514,tag=a main;", "192.0.2.1:514"),
    ],
)
def test_who_gets_logs_over_the_network(tmp_path: Path, path: str, line: str, receiver: str | None) -> None:
    _put(tmp_path, path, line + "\n")
    assert _found(tmp_path) == ({(ResidueKind.REMOTE, receiver)} if receiver else set())


def test_snapshots_of_the_file_systems_with_logs(tmp_path: Path) -> None:
    var = "29 28 0:30 / /var rw - zfs tank/var rw\n"
    other = "30 28 0:31 / /home rw - btrfs /dev/sdb rw\n"
    _put(tmp_path, "proc/self/mountinfo", _ROOT_MOUNT + var + other)
    _block(tmp_path, "dm-5", uuid="LVM-0123-cow")
    _block(tmp_path, "dm-6", uuid="LVM-0123-real")
    for name in ("var/.zfs/snapshot/daily", ".snapshots/7", "home/.snapshots/8"):
        (tmp_path / name).mkdir(parents=True)
    assert _found(tmp_path, "/var/log", "/var/log/nginx") == {
        (ResidueKind.SNAPSHOT, "/var/.zfs/snapshot/daily"),
        (ResidueKind.SNAPSHOT, "name-dm-5"),
    }
    assert (ResidueKind.SNAPSHOT, "/.snapshots/7") in _found(tmp_path, "/srv/log")
