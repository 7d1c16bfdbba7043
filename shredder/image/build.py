"""The whole build: locked files to kernel, initrd, ISO, netboot folder, list of parts and checksums."""

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shredder import __version__
from shredder.discover.recovery_image import IDENTITY_PATH, ImageIdentity, boot_mark
from shredder.errors import ShredderError, UsageError
from shredder.image import unpack
from shredder.image.fetch import fetch_all
from shredder.image.identity import identify, write_identity
from shredder.image.initrd import make_initrd, make_squashfs
from shredder.image.iso import make_iso
from shredder.image.kernel import copy_firmware, copy_modules, find_version, load_order
from shredder.image.lock import Group, Lock
from shredder.image.netboot import make_netboot
from shredder.image.recipe import Recipe
from shredder.image.root import PYTHON_PACKAGES, finish_root
from shredder.image.sbom import make_sbom
from shredder.image.toolbox import write_wrappers
from shredder.image.tools import first_on_path, need_tools

KERNEL = "vmlinuz"
INITRD = "initrd.zst"
ISO = "shredder.iso"
NETBOOT = "netboot"
SBOM = "sbom.cdx.json"
IDENTITY = "image.json"
CHECKSUMS = "SHA256SUMS"
_MACHINE = "x86_64"


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where one build happens: what is unpacked, and what becomes of it."""

    folder: Path
    recipe: Recipe
    lock: Lock
    places: dict[str, Path]

    def unpack(self, group: Group) -> Path:
        """Unpack the packages of a group into a folder of their own, and return it."""
        target = self.folder / group.value
        unpack.unpack_packages(self.lock.group(group), self.places, target)
        return target


def build_image(
    recipe: Recipe,
    lock: Lock,
    cache: Path,
    output: Path,
    *,
    firmware: bool,
    say: Callable[[str], None],
) -> ImageIdentity:
    """Build the image; the same recipe, lock and tool give the same bytes on every machine, for every user.

    Args:
        recipe: the configuration.
        lock: what it was resolved to.
        cache: folder that keeps downloads.
        output: folder for the results, made here; it must be empty.
        firmware: put in the non-free firmware that the image's drivers ask for.
        say: told what happens, a line each.

    Returns:
        The identity, which the image puts on every certificate.

    Raises:
        UsageError: the machine is of another kind, a program is missing, the lock is of another recipe, or
            the folder is not empty.
        ShredderError: a download or a program failed, or a disk is full.
    """
    if platform.machine() != _MACHINE:
        raise UsageError(f"the image is built on {_MACHINE} only, this is {platform.machine()}")
    need_tools(unpack.TOOLS)
    if lock.recipe != recipe.resolved_from():
        raise UsageError("the lock file does not fit image.toml", hint="run `shredder image lock`")
    lock = lock if firmware else lock.without(Group.FIRMWARE)
    try:
        return _build(recipe, lock, cache, output, firmware=firmware, say=say)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ShredderError(f"{place}{error.strerror}", hint="the build needs some 2 GB in TMPDIR") from None


def _build(
    recipe: Recipe, lock: Lock, cache: Path, output: Path, *, firmware: bool, say: Callable[[str], None]
) -> ImageIdentity:
    _make_output(output)
    say(f"fetching {len(lock.packages) + len(lock.wheels)} packages")
    places = fetch_all([*lock.packages, *lock.wheels], cache)
    with tempfile.TemporaryDirectory(prefix="shredder-image-") as name, all_at_once(output) as results:
        shop = Workshop(Path(name), recipe, lock, places)
        write_wrappers(shop.unpack(Group.TOOLS), shop.folder / "bin")
        with first_on_path(shop.folder / "bin"):
            identity = _make_pair(shop, results, firmware=firmware, say=say)
            _make_media(shop, results, identity, say)
        _write_checksums(results)
    return identity


def _make_output(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
        if any(output.iterdir()):
            raise UsageError(f"{output} is not empty", hint="name a folder that is not there yet")
    except OSError as error:
        raise UsageError(f"cannot make {output}: {error.strerror}") from None


@contextmanager
def all_at_once(output: Path) -> Iterator[Path]:
    """Yield a folder to work in; what it holds appears in `output` at the end, whole, the checksums last.

    Args:
        output: a folder. When the work fails or is interrupted, nothing of it is left there.
    """
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=output) as name:
        yield Path(name)
        for path in sorted(Path(name).iterdir(), key=lambda path: (path.name == CHECKSUMS, path.name)):
            path.rename(output / path.name)


def _make_pair(shop: Workshop, output: Path, *, firmware: bool, say: Callable[[str], None]) -> ImageIdentity:
    say("unpacking")
    root, kernel = shop.unpack(Group.ROOT), shop.unpack(Group.KERNEL)
    version = find_version(kernel)
    unpack.drop_matching(root, shop.recipe.drop)
    unpack.unpack_python(shop.lock.wheels, shop.places, root / PYTHON_PACKAGES)
    copy_modules(kernel, version, shop.recipe.modules, root)
    if firmware:
        copy_firmware(shop.unpack(Group.FIRMWARE), version, root)
    finish_root(root, shop.recipe)
    identity = identify(root, __version__)
    write_identity(root / IDENTITY_PATH.relative_to("/"), identity)
    say(f"packing {identity}")
    epoch_s = shop.lock.epoch_s
    squashfs = shop.folder / "root.squashfs"
    make_squashfs(root, epoch_s, squashfs)
    early = load_order(root, version, shop.recipe.modules.early)
    init = shop.recipe.folder / "initrd" / "init"
    initrd = shop.folder / INITRD
    make_initrd(
        root, squashfs=squashfs, modules=early, init=init, identity=identity, epoch_s=epoch_s, output=initrd
    )
    shutil.copyfile(initrd, output / INITRD)
    shutil.copyfile(kernel / "boot" / f"vmlinuz-{version}", output / KERNEL)
    return identity


def _make_media(shop: Workshop, output: Path, identity: ImageIdentity, say: Callable[[str], None]) -> None:
    say("making ISO and netboot folder")
    loaders, epoch_s = shop.unpack(Group.LOADERS), shop.lock.epoch_s
    kernel, initrd = output / KERNEL, output / INITRD
    make_iso(loaders, kernel, initrd, boot_mark(identity), epoch_s, output / ISO)
    make_netboot(loaders, kernel, initrd, epoch_s, output / NETBOOT)
    make_sbom(shop.lock.without(Group.TOOLS), identity, epoch_s, output / SBOM)
    write_identity(output / IDENTITY, identity)


def _write_checksums(output: Path) -> None:
    files = sorted(path for path in output.rglob("*") if path.is_file())
    lines = (
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(output)}\n" for path in files
    )
    text = "".join(lines)
    (output / CHECKSUMS).write_text(text, encoding="utf-8")
