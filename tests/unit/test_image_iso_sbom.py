"""What lies on the ISO and in the netboot folder, and the list of parts."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shredder.decommission import volumes
from shredder.discover.recovery_image import ImageIdentity, boot_mark
from shredder.errors import ShredderError
from shredder.image import loaders as names
from shredder.image.iso import VOLUME_LABEL, iso_command, lay_fat, lay_iso
from shredder.image.loaders import COMMAND_LINE, boot_text
from shredder.image.lock import Group, Lock, LockedPackage, LockedWheel
from shredder.image.netboot import make_netboot
from shredder.image.recipe import configuration_folder
from shredder.image.sbom import make_sbom

EPOCH_S = 1_763_000_000
IDENTITY = ImageIdentity("1.2.3", "c0de" * 16)
MARK = boot_mark(IDENTITY)
LOADERS = (
    names.BIOS_CD,
    names.BIOS_STICK,
    names.BIOS_NETWORK,
    names.BIOS_CORE,
    names.SHIM,
    names.GRUB_CD,
    names.GRUB_NETWORK,
)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """Return a folder in which every loader holds its own name."""
    folder = tmp_path / "loaders"
    for name in LOADERS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Return a kernel and an initramfs."""
    kernel, initrd = tmp_path / "vmlinuz-6.12", tmp_path / "initrd"
    kernel.write_text("the kernel")
    kernel.chmod(0o600)
    initrd.write_text("the initramfs")
    return kernel, initrd


def read_folder(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_the_iso_holds_both_boot_ways(tmp_path: Path, unpacked: Path, pair: tuple[Path, Path]) -> None:
    lay_iso(unpacked, *pair, MARK, epoch_s=EPOCH_S, folder=tmp_path / "iso")
    found = read_folder(tmp_path / "iso")
    assert found["vmlinuz"] == "the kernel"
    assert found["initrd.zst"] == "the initramfs"
    assert found["isolinux.bin"] == names.BIOS_CD
    assert found["ldlinux.c32"] == names.BIOS_CORE
    assert found["boot/grub/grub.cfg"].encode() == boot_text("grub.cfg")
    assert found["isolinux.cfg"].encode() == boot_text("syslinux.cfg")


def test_the_loader_of_a_stick_looks_for_a_file_that_only_this_image_has(
    tmp_path: Path, unpacked: Path, pair: tuple[Path, Path]
) -> None:
    lay_iso(unpacked, *pair, MARK, epoch_s=EPOCH_S, folder=tmp_path / "iso")
    lay_fat(unpacked, MARK, EPOCH_S, tmp_path / "fat")
    on_fat = read_folder(tmp_path / "fat")
    assert on_fat["EFI/BOOT/BOOTX64.EFI"] == names.SHIM
    assert on_fat["EFI/BOOT/grubx64.efi"] == names.GRUB_CD
    looked_for = re.search(r"set mark=/(\S+)", on_fat["boot/grub/grub.cfg"])
    assert looked_for
    assert IDENTITY.digest in looked_for[1]
    assert looked_for[1] in read_folder(tmp_path / "iso")


def test_the_iso_carries_the_mark_and_does_not_pass_for_a_configuration() -> None:
    command = iso_command(Path("mbr"), Path("efi.img"), MARK, Path("files"), Path("out.iso"))
    assert command[:2] == ["xorriso", "-no_rc"]  # it obeys this as its first word only
    assert command[command.index("-A") + 1] == MARK
    assert command[command.index("-V") + 1] == VOLUME_LABEL
    assert VOLUME_LABEL.casefold() != volumes.LABEL.casefold()
    # d-characters, at most 32 (ECMA-119, 8.4)
    assert re.fullmatch("[A-Z0-9_]{1,32}", VOLUME_LABEL)
    assert len(MARK) <= 128


def test_the_netboot_folder_serves_bios_and_uefi(
    tmp_path: Path, unpacked: Path, pair: tuple[Path, Path]
) -> None:
    make_netboot(unpacked, *pair, EPOCH_S, tmp_path / "netboot")
    assert read_folder(tmp_path / "netboot") == {
        "vmlinuz": "the kernel",
        "initrd.zst": "the initramfs",
        "pxelinux.0": names.BIOS_NETWORK,
        "ldlinux.c32": names.BIOS_CORE,
        "pxelinux.cfg/default": boot_text("syslinux.cfg").decode(),
        "shimx64.efi": names.SHIM,
        "grubx64.efi": names.GRUB_NETWORK,
        "grub/grub.cfg": boot_text("grub.cfg").decode(),
        "shredder.ipxe": boot_text("shredder.ipxe").decode(),
    }


def test_files_get_one_date_and_one_mode(tmp_path: Path, unpacked: Path, pair: tuple[Path, Path]) -> None:
    make_netboot(unpacked, *pair, EPOCH_S, tmp_path / "netboot")
    paths = [tmp_path / "netboot", *(tmp_path / "netboot").rglob("*")]
    assert {path.stat().st_mtime_ns for path in paths} == {EPOCH_S * 10**9}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o644}


@pytest.mark.parametrize("missing", [names.SHIM, names.BIOS_NETWORK])
def test_a_missing_loader_is_named(
    tmp_path: Path, unpacked: Path, pair: tuple[Path, Path], missing: str
) -> None:
    (unpacked / missing).unlink()
    with pytest.raises(ShredderError, match=re.escape(missing)) as caught:
        make_netboot(unpacked, *pair, EPOCH_S, tmp_path / "netboot")
    assert "shredder image lock" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["grub.cfg", "syslinux.cfg", "shredder.ipxe"])
def test_every_way_starts_the_same_kernel_with_every_console(name: str) -> None:
    text = boot_text(name).decode()
    (line,) = (line for line in text.splitlines() if "console=" in line)
    assert line.strip().endswith(COMMAND_LINE)
    assert "vmlinuz" in text
    assert "initrd.zst" in text
    assert "@" not in text


def test_the_consoles_are_the_three_that_the_autopilot_speaks_on() -> None:
    words = [word.partition("=") for word in COMMAND_LINE.split()]
    assert sorted(value.split(",")[0] for name, _, value in words if name == "console") == [
        "hvc0",
        "tty0",
        "ttyS0",
    ]


def test_the_kernel_does_not_show_its_command_line() -> None:
    # it is said at the level "notice", 5 (init/main.c); only what is below the level is shown
    (level,) = re.findall(r"(?:^| )loglevel=(\d)(?: |$)", COMMAND_LINE)
    assert int(level) <= 5


def test_the_instructions_start_it_as_the_loaders_do() -> None:
    text = (configuration_folder() / "README.md").read_text(encoding="utf-8")
    assert f'--command-line="{COMMAND_LINE}"' in text


def package(name: str, version: str, *groups: Group) -> LockedPackage:
    return LockedPackage(name, version, "amd64", f"https://deb.example/{name}.deb", 7, "ab" * 32, groups)


LOCK = Lock(
    1,
    EPOCH_S,
    "recipe",
    (
        package("busybox-static", "1:1.37.0-6+b9", Group.ROOT),
        package("libstdc++6", "14.2.0-19", Group.ROOT, Group.LOADERS),
        package("isolinux", "3:6.04~git20190206.bf6db5b4+dfsg1-3.1", Group.LOADERS),
    ),
    (LockedWheel("Typing_Extensions", "4.16.0", "https://pypi.example/t.whl", 9, "cd" * 32),),
)


def parts(document: dict[str, object]) -> Iterator[dict[str, object]]:
    listed = document["components"]
    assert isinstance(listed, list)
    yield from listed


def test_the_list_of_parts_names_every_package_and_wheel(tmp_path: Path) -> None:
    output = tmp_path / "sbom.json"
    make_sbom(LOCK, IDENTITY, EPOCH_S, output)
    document = json.loads(output.read_text())
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["timestamp"] == "2025-11-13T02:13:20Z"
    assert document["metadata"]["component"]["properties"] == [
        {"name": "shredder:image:digest", "value": f"sha256:{IDENTITY.digest}"}
    ]
    tool, *others = parts(document)
    assert (tool["name"], tool["version"]) == ("shredder", "1.2.3")
    listed: tuple[LockedPackage | LockedWheel, ...] = (*LOCK.packages, *LOCK.wheels)
    assert [(part["name"], part["version"], part["hashes"]) for part in others] == [
        (item.name, item.version, [{"alg": "SHA-256", "content": item.sha256}]) for item in listed
    ]


def test_package_urls_are_in_their_canonical_form(tmp_path: Path) -> None:
    # the forms that packageurl-python 0.17.6 writes for these names and versions
    output = tmp_path / "sbom.json"
    make_sbom(LOCK, IDENTITY, EPOCH_S, output)
    assert [part["purl"] for part in parts(json.loads(output.read_text())) if "purl" in part] == [
        "pkg:deb/debian/busybox-static@1:1.37.0-6%2Bb9?arch=amd64&distro=trixie",
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=trixie",
        "pkg:deb/debian/isolinux@3:6.04~git20190206.bf6db5b4%2Bdfsg1-3.1?arch=amd64&distro=trixie",
        "pkg:pypi/typing-extensions@4.16.0",
    ]


def test_the_serial_number_follows_from_the_content(tmp_path: Path) -> None:
    def write(lock: Lock, identity: ImageIdentity, name: str) -> tuple[str, str]:
        make_sbom(lock, identity, EPOCH_S, tmp_path / name)
        text = (tmp_path / name).read_text()
        return hashlib.sha256(text.encode()).hexdigest(), json.loads(text)["serialNumber"]

    first = write(LOCK, IDENTITY, "first")
    assert write(LOCK, IDENTITY, "second") == first
    assert re.fullmatch("urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", first[1])
    assert write(LOCK, ImageIdentity("1.2.3", "beef" * 16), "other image")[1] != first[1]
    fewer = Lock(1, EPOCH_S, "recipe", LOCK.packages[1:], LOCK.wheels)
    assert write(fewer, IDENTITY, "fewer parts")[1] != first[1]
