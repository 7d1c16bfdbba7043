"""The build: the same bytes whoever builds and wherever, whole, and within the sizes."""

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import pyudev

import shredder
from shredder.errors import ShredderError
from shredder.image.fetch import Locked, cache_folder, fetch_all
from shredder.image.lock import Group, Lock, LockedPackage, read_lock
from shredder.image.recipe import configuration_folder
from shredder.image.toolbox import LIBRARIES, LOADER, write_wrappers
from shredder.image.tools import run_tool
from shredder.image.unpack import unpack_packages
from tests.support.waiting import wait_until

MB = 1_000_000
BUILD_WITHIN_S = 900
STRANGER = 64_123  # a user id that no account has


def run(*words: str, python: str = sys.executable, user: int | None = None, **settings: str) -> None:
    """Run the command; another user's files are private, ours are not."""
    done = subprocess.run(
        [python, "-m", "shredder", "image", *words],
        env={**os.environ, **settings},
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        umask=0o022 if user is None else 0o077,
        cwd=None if user is None else settings["HOME"],
        capture_output=True,
        text=True,
        timeout=BUILD_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="module")
def fresh_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lock of what the mirrors have now: no mirror has yesterday's versions for long."""
    path = tmp_path_factory.mktemp("lock") / "lock.json"
    run("lock", "--output", str(path))
    return path


@pytest.fixture(scope="module")
def built(fresh_lock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what this user built."""
    folder = tmp_path_factory.mktemp("built") / "image"
    run("build", "--output", str(folder), "--lock", str(fresh_lock))
    return folder


@pytest.fixture
def strangers_place(fresh_lock: Path) -> Iterator[Path]:
    """Return a folder of an unprivileged user: the tool, what it imports, and the downloads."""
    if os.getuid() != 0:
        pytest.skip("becoming another user needs root")
    with tempfile.TemporaryDirectory(prefix="another folder ") as name:
        place = Path(name)
        ours = shutil.ignore_patterns("__pycache__", "recovery-image")
        shutil.copytree(Path(shredder.__file__).parent, place / "shredder", ignore=ours)
        for package in (click, pyudev):
            shutil.copytree(Path(str(package.__file__)).parent, place / package.__name__, ignore=ours)
        shutil.copytree(configuration_folder(), place / "recovery-image")
        shutil.copytree(cache_folder(), place / "cache" / "shredder")
        shutil.copyfile(fresh_lock, place / "lock.json")
        subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", place], check=True)
        yield place


def strangers_python() -> str:
    """Return a Python that the unprivileged user may run; ours may lie in root's home."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        asked = [candidate, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(asked, user=STRANGER, group=STRANGER, cwd="/", check=False).returncode == 0:
                return candidate
        except OSError:
            continue
    pytest.fail("no Python that an unprivileged user may run")


@pytest.mark.long
def test_root_and_a_stranger_build_the_same_bytes(built: Path, strangers_place: Path) -> None:
    place = strangers_place
    (place / ".xorrisorc").write_text("-publisher stranger\n")
    run(
        *("build", "--output", str(place / "out"), "--lock", str(place / "lock.json")),
        python=strangers_python(),
        user=STRANGER,
        HOME=str(place),
        XDG_CACHE_HOME=str(place / "cache"),
        PYTHONPATH=str(place),
        TMPDIR=str(place),
        PYTHONOPTIMIZE="2",
        SOURCE_DATE_EPOCH="1",
    )
    theirs, ours = sums(place / "out"), sums(built)
    assert (place / "out" / "initrd.zst").stat().st_uid == STRANGER
    assert [name for name in ours if ours[name] != theirs.get(name)] == []
    assert ours.keys() == theirs.keys()
    for folder in (built, place / "out"):
        subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=folder, check=True)


def sums(folder: Path) -> dict[str, str]:
    lines = (line.split("  ") for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {name: sha256 for sha256, name in lines}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {*found, "SHA256SUMS"}
    return found


@pytest.mark.long
def test_the_sizes_hold(built: Path) -> None:
    assert (built / "initrd.zst").stat().st_size <= 65 * MB
    assert (built / "vmlinuz").stat().st_size <= 15 * MB
    assert (built / "shredder.iso").stat().st_size <= 100 * MB
    assert (built / "initrd.zst").stat().st_size % 4 == 0, "an appended archive would be ignored"


@pytest.fixture(scope="module")
def root(built: Path, fresh_lock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image's root, unpacked."""
    return unpack_root(built, read_lock(fresh_lock), tmp_path_factory.mktemp("root"))


@pytest.mark.long
def test_sticks_can_be_mounted_and_persistent_memory_is_a_disk(root: Path) -> None:
    there = {path.stem for path in (root / "usr/lib/modules").rglob("*.ko")}
    assert {"vfat", "exfat", "isofs", "nls_utf8", "nfit", "libnvdimm", "nd_pmem", "virtio_pmem"} <= there
    assert there.isdisjoint({"ext4", "xfs", "btrfs", "ntfs3", "dm-mod", "md-mod", "bcache"})


@pytest.mark.long
def test_every_program_of_the_image_finds_its_libraries(root: Path) -> None:
    start = [
        str((root / LOADER).resolve()),
        "--inhibit-cache",
        "--library-path",
        str(root / LIBRARIES),
        "--list",
    ]
    wrong = {}
    count = 0
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or not path.read_bytes().startswith(b"\x7fELF"):
            continue
        count += 1
        said = subprocess.run([*start, str(path)], capture_output=True, text=True, check=False)
        found = [
            line.split("=>")[1].split(" (")[0].strip() for line in said.stdout.splitlines() if "=>" in line
        ]
        lost = [place for place in found if not place.startswith(str(root)) and "ld-linux" not in place]
        if lost and LIBRARIES + "/systemd" not in str(path):
            wrong[str(path.relative_to(root))] = lost
    assert wrong == {}
    assert count > 100


def unpack_root(built: Path, lock: Lock, place: Path) -> Path:
    """Unpack the image's root out of the initrd, with the locked programs."""
    tools = place / "tools"
    packages = list(lock.group(Group.TOOLS))
    unpack_packages(packages, fetch_all(packages, cache_folder()), tools)
    write_wrappers(tools, place / "bin")
    archive = subprocess.run(
        [place / "bin/zstd", "-dcq", built / "initrd.zst"], stdout=subprocess.PIPE, check=False
    )
    subprocess.run(
        [place / "bin/cpio", "-i", "--quiet", "root.squashfs"], input=archive.stdout, cwd=place, check=True
    )
    unsquashfs = (place / "bin/mksquashfs").read_text().replace("mksquashfs", "unsquashfs")
    (place / "bin/unsquashfs").write_text(unsquashfs)
    words = ["sh", "bin/unsquashfs", "-quiet", "-no-progress", "-d", "root", "root.squashfs"]
    subprocess.run(words, cwd=place, check=True, stdout=subprocess.DEVNULL)
    said = json.loads((place / "root/etc/shredder/image.json").read_text())
    assert said == json.loads((built / "image.json").read_text())
    return place / "root"


@pytest.mark.long
def test_a_stale_lock_is_told(fresh_lock: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_lock(configuration_folder() / "lock.json")
    now = read_lock(fresh_lock)
    assert now.recipe == before.recipe
    known = {item.name: item.version for item in parts(before)}
    newer = [f"{item.name} {item.version}" for item in parts(now) if known.get(item.name) != item.version]
    if newer:
        with capsys.disabled():
            print(f"\nthe checked-in lock is stale: {', '.join(newer)}")


def parts(lock: Lock) -> list[Locked]:
    return [*lock.packages, *lock.wheels]


def test_programs_get_the_same_surroundings_whoever_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    lines = run_tool(["env"], variables={"WANTED": "1"}).decode().splitlines()
    path = f"PATH={os.environ['PATH']}"
    assert sorted(lines) == ["HOME=/nonexistent", "LC_ALL=C", path, "TZ=UTC", "WANTED=1"]


def test_what_a_program_started_ends_with_an_interrupted_build(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = ["sh", "-c", f"sleep 60 & echo $! >{pid}; wait"]
    script = f"from shredder.image.tools import run_tool; run_tool({command})"
    build = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    wait_until(lambda: pid.exists() and pid.read_text().strip() != "")
    build.send_signal(signal.SIGINT)
    build.wait(timeout=30)
    wait_until(lambda: not Path(f"/proc/{int(pid.read_text())}/cmdline").exists())


def test_a_full_disk_is_named_as_such() -> None:
    script = "echo 'tar: write: No space left on device' >&2; echo 'subprocess failed' >&2; exit 2"
    with pytest.raises(ShredderError, match="No space left on device"):
        run_tool(["sh", "-c", script])


class Mirror(http.server.BaseHTTPRequestHandler):
    """Has one file, and it is not the locked one."""

    def do_GET(self) -> None:
        found = self.path == "/other.deb"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(b"other" if found else b"")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[str]:
    """Return the address of a mirror that moved on."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("name", "said"), [("gone", "HTTP 404"), ("other", "something else")])
def test_a_version_that_is_gone_is_named_with_the_way_out(
    name: str, said: str, mirror: str, tmp_path: Path
) -> None:
    package = LockedPackage(name, "1.2-3", "amd64", f"{mirror}/{name}.deb", 5, "0" * 64, (Group.ROOT,))
    with pytest.raises(ShredderError, match=said) as caught:
        fetch_all([package], tmp_path / "cache")
    assert f"{name} 1.2-3" in caught.value.message
    assert "shredder image lock" in str(caught.value.hint)
    assert list((tmp_path / "cache").iterdir()) == []
