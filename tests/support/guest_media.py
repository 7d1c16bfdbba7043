"""What guests get to wipe, to read and to write, as files that the host can read without them."""

import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import run

MIB = 1 << 20
LABEL = "SHREDDER"
_BLOCK = 4096
_PARTITION_START = 1 * MIB


def make_disk(file: Path, size_mib: int = 64) -> Path:
    """Make a disk that holds one marker in each 4 KiB block."""
    with file.open("xb") as out:
        for number in range(size_mib * MIB // _BLOCK):
            out.write(_marker(number))
    return file


def find_markers(file: Path) -> list[int]:
    """Return the numbers of the 4 KiB blocks that still hold what `make_disk` put there."""
    blocks = enumerate(_blocks(file.read_bytes()))
    return [number for number, block in blocks if block == _marker(number)]


def count_markers(file: Path) -> int:
    """Return how many 4 KiB blocks still hold what `make_disk` put there."""
    return len(find_markers(file))


def count_marker_texts(file: Path) -> int:
    """Return how often the markers' first words are found, wherever they stand."""
    return file.read_bytes().count(b"CONFIDENTIAL block")


def digest(file: Path) -> str:
    """Return the SHA-256 of the whole file, in lower-case hex."""
    with file.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def key_stream_digest(key_hex: str, size_bytes: int) -> str:
    """Return the SHA-256 of what a random pass with this key leaves on a disk, by openssl."""
    words = ["openssl", "enc", "-aes-128-ctr", "-nopad", "-K", key_hex, "-iv", "0" * 32]
    done = subprocess.run(words, input=bytes(size_bytes), capture_output=True, check=True, timeout=60)
    return hashlib.sha256(done.stdout).hexdigest()


@dataclass(frozen=True, slots=True)
class Volume:
    """A FAT volume in a file, from byte `start_bytes` on."""

    file: Path
    start_bytes: int

    def put(self, files: Mapping[str, bytes]) -> None:
        """Write files into its top folder."""
        for name, content in files.items():
            source = self.file.with_name(f"{self.file.name}.{name}")
            source.write_bytes(content)
            run("mcopy", "-n", "-i", self._image, source, f"::/{name}")

    def copy_to(self, folder: Path) -> Path:
        """Copy all it holds into a fresh folder of the host; returns that."""
        folder.mkdir()
        run("mcopy", "-s", "-n", "-i", self._image, "::/*", folder)
        return folder

    @property
    def _image(self) -> str:
        return f"{self.file}@@{self.start_bytes}"


def make_volume(
    file: Path,
    files: Mapping[str, bytes],
    *,
    label: str = LABEL,
    size_mib: int = 40,
    with_partitions: bool = True,
) -> Volume:
    """Make a FAT volume.

    Args:
        file: where.
        files: what it holds, by name.
        label: the volume's label.
        size_mib: of the whole file.
        with_partitions: in the first partition of a table, as sticks are sold, else in the whole file.
    """
    with file.open("xb") as out:
        out.truncate(size_mib * MIB)
    start_bytes = _PARTITION_START if with_partitions else 0
    if with_partitions:
        run("sfdisk", "--quiet", file, input="label: dos\nstart=1MiB, type=c, bootable\n")
    sectors = (size_mib * MIB - start_bytes) // 512
    place = ["-i", f"{file}@@{start_bytes}", "-T", str(sectors), "-h", "64", "-s", "32"]
    run("mformat", *place, "-H", str(start_bytes // 512), "-v", label, "::")
    volume = Volume(file, start_bytes)
    volume.put(files)
    return volume


def make_cd(file: Path, files: Mapping[str, bytes]) -> Path:
    """Make an ISO 9660 volume with the label, as clouds hand out their configuration."""
    folder = file.with_suffix(".files")
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    run("xorriso", "-as", "mkisofs", "-quiet", "-J", "-R", "-V", LABEL, "-o", file, folder)
    return file


def append_files(initrd: Path, files: Mapping[str, bytes], output: Path) -> Path:
    """Append an archive to an initramfs, as the README tells operators to."""
    folder = output.with_suffix(".files")
    names = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        names += [str(parent) for parent in Path(name).parents if str(parent) != "."] + [name]
    listed = "\n".join(dict.fromkeys(names)) + "\n"
    archive = subprocess.run(
        ["cpio", "--quiet", "-o", "-H", "newc"],
        input=listed.encode(),
        cwd=folder,
        capture_output=True,
        check=True,
        timeout=60,
    ).stdout
    first = initrd.read_bytes()
    output.write_bytes(first + bytes(-len(first) % 4) + archive)
    return output


def _marker(number: int) -> bytes:
    return (b"CONFIDENTIAL block %012d " % number).ljust(_BLOCK, b"-")


def _blocks(content: bytes) -> list[bytes]:
    return [content[at : at + _BLOCK] for at in range(0, len(content), _BLOCK)]
