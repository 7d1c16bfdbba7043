"""The danger rule holds: no test can write to a device that the tests did not make."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.guard.device_guard import REGISTRY_VARIABLE, ForeignDeviceError
from tests.support.command import Shredder
from tests.support.devices import LoopDevice
from tests.support.machine import run
from tests.support.registry import Registry

Factory = Callable[..., LoopDevice]

_WRITE = "import os, sys; os.write(os.open(sys.argv[1], os.O_WRONLY), b'x' * 512)"
_FORKED = """
import multiprocessing, os, sys
def write(path):
    os.write(os.open(path, os.O_RDWR), b"x" * 512)
if __name__ == "__main__":
    worker = multiprocessing.get_context(sys.argv[2]).Process(target=write, args=(sys.argv[1],))
    worker.start()
    worker.join()
    sys.exit(worker.exitcode)
"""


@pytest.fixture
def foreign(tmp_path: Path, registry: Registry) -> Iterator[str]:
    """A loop device that stands for anyone's disk: attached, but not registered."""
    backing = tmp_path / "foreign.img"
    backing.write_bytes(bytes(1 << 20))
    path = run("losetup", "--show", "-f", backing).strip()
    try:
        yield path
        registry.take_refusals()
        assert backing.read_bytes() == bytes(1 << 20)
    finally:
        run("losetup", "--detach", path)


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_EXCL | os.O_DIRECT])
def test_writing_to_a_foreign_device_is_refused(foreign: str, flags: int) -> None:
    with pytest.raises(ForeignDeviceError, match=foreign):
        os.open(foreign, flags)


@pytest.mark.parametrize("mode", ["wb", "r+b", "ab"])
def test_opening_as_a_file_is_refused_too(foreign: str, mode: str) -> None:
    with pytest.raises(ForeignDeviceError), Path(foreign).open(mode):
        pass


def test_reading_a_foreign_device_is_allowed(foreign: str) -> None:
    assert Path(foreign).read_bytes()[:512] == bytes(512)


def test_other_names_of_a_foreign_device_are_refused(foreign: str, tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(foreign)
    with pytest.raises(ForeignDeviceError):
        os.open(link, os.O_WRONLY)
    with pytest.raises(ForeignDeviceError):
        os.open(os.fsencode(foreign), os.O_WRONLY)
    folder = os.open("/dev", os.O_RDONLY)
    try:
        with pytest.raises(ForeignDeviceError):
            os.open(Path(foreign).name, os.O_WRONLY, dir_fd=folder)
        with pytest.raises(ForeignDeviceError):
            os.open(f"/proc/self/fd/{folder}/{Path(foreign).name}", os.O_WRONLY)
    finally:
        os.close(folder)


def test_changing_a_foreign_device_through_a_reading_descriptor_is_refused(foreign: str) -> None:
    blkroset = 0x125D
    descriptor = os.open(foreign, os.O_RDONLY)
    try:
        with pytest.raises(ForeignDeviceError):
            fcntl.ioctl(descriptor, blkroset, b"\1\0\0\0")
        with pytest.raises(ForeignDeviceError):
            os.fdopen(descriptor, "wb", closefd=False)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "words", [["dd", "if=/dev/zero", "of={}"], ["mkfs.ext4", "{}"], ["wipefs", "-a", "{}"]]
)
def test_other_programs_do_not_get_a_foreign_device(foreign: str, words: list[str]) -> None:
    with pytest.raises(ForeignDeviceError):
        subprocess.run([word.format(foreign) for word in words], check=False)


def test_a_python_subprocess_is_refused(foreign: str, registry: Registry) -> None:
    done = _python("-c", _WRITE, foreign)
    assert done.returncode == 1
    assert "ForeignDeviceError" in done.stderr
    assert [foreign in line for line in registry.take_refusals()] == [True]


@pytest.mark.parametrize("start", ["fork", "forkserver", "spawn"])
def test_worker_processes_are_refused(foreign: str, start: str, registry: Registry, tmp_path: Path) -> None:
    script = tmp_path / "workers.py"
    script.write_text(_FORKED)
    assert _python(str(script), foreign, start).returncode == 1
    assert len(registry.take_refusals()) == 1


def test_a_swallowed_refusal_is_still_noted(foreign: str, registry: Registry) -> None:
    swallow = "import sys\ntry:\n open(sys.argv[1], 'wb')\nexcept BaseException: pass"
    assert _python("-c", swallow, foreign).returncode == 0
    assert len(registry.take_refusals()) == 1


def test_without_a_registry_everything_is_refused(
    loop_factory: Factory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = loop_factory(1 << 20)
    with monkeypatch.context() as patch:
        patch.delenv(REGISTRY_VARIABLE)
        with pytest.raises(ForeignDeviceError):
            os.open(own.path, os.O_WRONLY)
        assert "ForeignDeviceError" in _python("-c", _WRITE, own.path).stderr
        patch.setenv(REGISTRY_VARIABLE, str(tmp_path / "not-there"))
        with pytest.raises(ForeignDeviceError):
            os.open(own.path, os.O_WRONLY)
    assert own.backing.read_bytes() == bytes(1 << 20)


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_a_device_of_the_tests_is_written_to(loop_factory: Factory, sector_bytes: int) -> None:
    own = loop_factory(1 << 20, sector_bytes=sector_bytes, direct_io=True)
    with open(own.path, "r+b") as file:
        file.write(b"here")
    done = _python("-c", "import sys; open(sys.argv[1], 'r+b').write(b'sub')", own.path)
    assert done.returncode == 0, done.stderr
    run("blockdev", "--flushbufs", own.path)
    assert own.backing.read_bytes()[:4] == b"sube"
    assert run("blockdev", "--getss", own.path).strip() == str(sector_bytes)


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_partitions_are_made_registered_and_taken_away(loop_factory: Factory, sector_bytes: int) -> None:
    own = loop_factory(32 << 20, sector_bytes=sector_bytes)
    first, second = own.partition("label: gpt\nsize=8MiB\nsize=16MiB\n")
    assert (first, second) == (own.path + "p1", own.path + "p2")
    assert run("blockdev", "--getsize64", second).strip() == str(16 << 20)
    with open(second, "r+b") as file:
        file.write(b"here")
    own.detach()
    assert not Path(first).exists()
    with pytest.raises(AssertionError, match=r"losetup .* exited"):
        run("losetup", own.path)


def test_a_device_given_back_is_refused_again(loop_factory: Factory, registry: Registry) -> None:
    own = loop_factory(1 << 20)
    own.detach()
    with pytest.raises(ForeignDeviceError):
        os.open(own.path, os.O_WRONLY)
    registry.take_refusals()


def test_a_mounted_device_is_unmounted_before_it_goes(
    loop_factory: Factory, mounted: Callable[..., Path]
) -> None:
    own = loop_factory(16 << 20)
    point = mounted(own.path, "ext4")
    (point / "letter").write_text("hello")
    assert point.is_mount()


def test_zram_is_written_to(zram_factory: Callable[[int], str]) -> None:
    path = zram_factory(1 << 20)
    with open(path, "r+b") as file:
        file.write(b"here")
    assert Path(path).read_bytes()[:4] == b"here"


@pytest.mark.parametrize("words", [("wipe", "--all"), ("plan", "--all"), ("plan", "--all=1")])
def test_no_test_can_say_all(shredder: Shredder, words: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError, match="--all"):
        shredder(*words)
    with pytest.raises(AssertionError, match="--all"):
        shredder.start(*words)


_SKIPPING = {
    "test_one": "import pytest\n@pytest.mark.skip(reason='no such tool')\ndef test_it(): pass\n",
    "test_inside": "import pytest\ndef test_it(): pytest.skip('no such tool')\n",
    "test_module": "import pytest\npytest.skip('no such tool', allow_module_level=True)\n",
}


@pytest.mark.parametrize("kind", list(_SKIPPING))
@pytest.mark.parametrize(("no_skips", "exit_code"), [("0", {0, 5}), ("1", {1, 2})])
def test_a_skip_fails_where_none_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, no_skips: str, exit_code: set[int]
) -> None:
    monkeypatch.setenv("SHREDDER_NO_SKIPS", no_skips)
    (tmp_path / f"{kind}.py").write_text(_SKIPPING[kind])
    done = _python("-m", "pytest", "-rA", "-p", "tests.conftest", "--rootdir", str(tmp_path), str(tmp_path))
    assert done.returncode in exit_code, done.stdout
    assert "no such tool" in done.stdout
