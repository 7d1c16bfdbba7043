"""The stick: a real file system on a loop device stands in, as a loop device is never removable."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.decommission.delivery.destination import Surroundings, open_destination
from shredder.decommission.delivery.settings import StickDelivery
from shredder.decommission.volumes import LABEL, Volume, find_volumes, mounted, probe
from shredder.errors import RefusedError, UndeliveredError
from shredder.units import MIB
from tests.delivery.conftest import RUN_ID
from tests.support.devices import LoopDevice
from tests.support.machine import run, why_no_loop

pytestmark = pytest.mark.skipif(why_no_loop() is not None, reason=f"needs loop devices: {why_no_loop()}")

_SETTINGS = StickDelivery(600)


@pytest.fixture
def stick(loop_factory: Callable[..., LoopDevice]) -> Volume:
    device = loop_factory(32 * MIB)
    # without a journal, as the file systems of sticks are
    run("mkfs.ext4", "-q", "-O", "^has_journal", "-L", LABEL, device.path)
    return Volume(device.path, device.path, "ext4", removable=True, read_only=False)


def _plug(around: Surroundings, *volumes: Volume) -> Surroundings:
    return replace(around, find_volumes=lambda: volumes)


def _look(stick: Volume, around: Surroundings) -> dict[str, bytes]:
    with mounted(stick, writable=False, ram_folder=around.ram_folder) as root:
        found = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
        return {str(name): path.read_bytes() for name, path in found.items()}


def test_everything_arrives_also_twice(
    stick: Volume, around: Surroundings, start: Path, files: tuple[Path, ...]
) -> None:
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, stick))
    destination.prove(start)
    for _ in range(2):
        destination.deliver(files)
        wanted = {f"shredder-{RUN_ID}/{file.name}": file.read_bytes() for file in (start, *files)}
        assert _look(stick, around) == wanted
    other = open_destination(_SETTINGS, "f" * 32, _plug(around, stick))
    other.prove(start)
    assert _look(stick, around) == {**wanted, f"shredder-{'f' * 32}/start.jsonl": start.read_bytes()}


def test_what_does_not_read_back_fails(stick: Volume, around: Surroundings, tmp_path: Path) -> None:
    changing = tmp_path / "evidence.jsonl"
    changing.symlink_to("/proc/sys/kernel/random/uuid")  # another one at each reading
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, stick))
    with pytest.raises(UndeliveredError, match=r"evidence.jsonl does not read back"):
        destination.deliver((changing,))


def test_a_full_stick(stick: Volume, around: Surroundings, files: tuple[Path, ...]) -> None:
    with mounted(stick, writable=True, ram_folder=around.ram_folder) as root:
        room = os.statvfs(root)
        descriptor = os.open(root / "ballast", os.O_CREAT | os.O_WRONLY)
        os.posix_fallocate(descriptor, 0, room.f_bfree * room.f_bsize - MIB)
        os.close(descriptor)
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, stick))
    with pytest.raises(UndeliveredError, match="No space left on device"):
        destination.deliver(files)
    with mounted(stick, writable=True, ram_folder=around.ram_folder) as root:
        (root / "ballast").unlink()
    destination.deliver(files)


def test_no_stick_then_one(stick: Volume, around: Surroundings, start: Path) -> None:
    plugged: list[Volume] = []
    around = replace(around, find_volumes=lambda: tuple(plugged))
    destination = open_destination(_SETTINGS, RUN_ID, around)
    with pytest.raises(UndeliveredError, match="no removable volume labelled SHREDDER is there"):
        destination.prove(start)
    plugged.append(stick)
    destination.prove(start)


@pytest.mark.parametrize(
    "changed", [{"read_only": True}, {"removable": False}, {"filesystem": "iso9660"}], ids=str
)
def test_what_cannot_be_written_is_not_touched(
    changed: dict[str, object], stick: Volume, around: Surroundings, start: Path
) -> None:
    unfit = Volume(**{**{name: getattr(stick, name) for name in Volume.__slots__}, **changed})
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, unfit))
    with pytest.raises(UndeliveredError, match="cannot be written"):
        destination.prove(start)
    assert _look(stick, around) == {}


def test_of_two_sticks_none_is_taken(stick: Volume, around: Surroundings, start: Path) -> None:
    other = replace(stick, path="/dev/another")
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, stick, other))
    with pytest.raises(UndeliveredError, match="several volumes are labelled SHREDDER"):
        destination.prove(start)
    assert _look(stick, around) == {}


def test_a_stick_that_cannot_be_mounted(stick: Volume, around: Surroundings, start: Path) -> None:
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, replace(stick, filesystem="iso9660")))
    with pytest.raises(UndeliveredError):
        destination.prove(start)
    unformatted = replace(stick, path="/dev/null")
    destination = open_destination(_SETTINGS, RUN_ID, _plug(around, unformatted))
    with pytest.raises(UndeliveredError, match="could not be mounted"):
        destination.prove(start)


def test_a_file_system_that_the_kernel_does_not_have_is_said(stick: Volume, around: Surroundings) -> None:
    unknown = replace(stick, filesystem="crypto_LUKS")
    with (
        pytest.raises(RefusedError, match="unknown filesystem type 'crypto_LUKS'") as caught,
        mounted(unknown, writable=False, ram_folder=around.ram_folder),
    ):
        pass
    assert "FAT, exFAT and ISO 9660" in str(caught.value.hint)


def test_how_it_is_mounted(stick: Volume, around: Surroundings) -> None:
    for writable, word in ((True, "rw"), (False, "ro")):
        with mounted(stick, writable=writable, ram_folder=around.ram_folder) as root:
            lines = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
            (options,) = [words[5].split(",") for words in lines if words[4] == str(root)]
            assert {word, "nosuid", "nodev", "noexec"} <= set(options)
        assert not root.exists()


def test_reading_changes_no_byte(stick: Volume, around: Surroundings) -> None:
    device = Path(stick.path)
    with mounted(stick, writable=True, ram_folder=around.ram_folder) as root:
        with (root / "file").open("w") as file:
            os.fsync(file.fileno())
        pulled = device.read_bytes()  # it was not unmounted
    device.write_bytes(pulled)
    with mounted(stick, writable=False, ram_folder=around.ram_folder) as root:
        list(root.iterdir())
    assert device.read_bytes() == pulled


def test_a_volume_in_use_is_said(stick: Volume, around: Surroundings, undo: ExitStack) -> None:
    with (
        pytest.raises(RefusedError, match="could not be unmounted"),
        mounted(stick, writable=True, ram_folder=around.ram_folder) as root,
    ):
        held = (root / "held").open("wb")
        undo.callback(run, "umount", root)
        undo.callback(held.close)
    undo.close()
    root.rmdir()


def test_loop_devices_are_never_taken_for_a_stick(stick: Volume) -> None:
    assert probe(stick.path) == {"LABEL": LABEL, "TYPE": "ext4", "DEVNAME": stick.path}
    assert stick.path not in {volume.path for volume in find_volumes()}


def test_fat_is_recognised(loop_factory: Callable[..., LoopDevice]) -> None:
    device = loop_factory(32 * MIB)
    run("mformat", "-i", device.backing, "-v", LABEL, "::")
    found = probe(device.path)
    assert (found["LABEL"], found["TYPE"]) == (LABEL, "vfat")
    assert probe("/dev/null") == {}
