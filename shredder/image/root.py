"""The image's root folder: packages without what nobody needs, Python, the tool, and our own few files."""

import shutil
import stat
from pathlib import Path

import shredder
from shredder.errors import ShredderError
from shredder.image.recipe import Recipe
from shredder.image.toolbox import foreign_command
from shredder.image.tools import run_tool
from shredder.image.unpack import remove

_EMPTY_FOLDERS = ("dev", "proc", "sys", "run", "tmp", "var/tmp", "var/lib", "root/.ssh", "etc/shredder")
_PRIVATE_FOLDERS = ("root", "root/.ssh")
PYTHON_PACKAGES = "usr/lib/python3/dist-packages"
_PROGRAM_FOLDERS = ("bin", "sbin")
_BUSYBOX = "usr/bin/busybox"
_CERTIFICATES = "usr/share/ca-certificates/mozilla"


def finish_root(root: Path, recipe: Recipe) -> None:
    """Turn a folder of unpacked packages into the image's root.

    Args:
        root: the folder, with Debian's packages, the Python packages and the kernel modules in it.
        recipe: has our own files.
    """
    _add_tool(root / PYTHON_PACKAGES)
    _add_files(recipe.folder / "files", root)
    for name in _EMPTY_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    _gather_certificates(root)
    _link_busybox(root, recipe.applets)
    _compile_python(root, recipe.python.version)
    _settle_modes(root)


def _add_tool(folder: Path) -> None:
    """Copy the running package: what builds the image is what will run in it."""
    source = Path(shredder.__file__).parent
    for path in sorted(source.rglob("*.py")):
        place = folder / "shredder" / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _add_files(files: Path, root: Path) -> None:
    """Copy our own files. Modes may be lost on the way to here, so the folder decides what may be run."""
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        place = root / path.relative_to(files)
        place.parent.mkdir(parents=True, exist_ok=True)
        remove(place)
        shutil.copyfile(path, place)
        place.chmod(0o755 if place.parent.name in _PROGRAM_FOLDERS else 0o644)


def _gather_certificates(root: Path) -> None:
    """Do what update-ca-certificates does: one file with all, where OpenSSL looks for it."""
    texts = [path.read_bytes().strip() + b"\n" for path in sorted((root / _CERTIFICATES).glob("*.crt"))]
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(texts))
    remove(root / "usr/share/ca-certificates")
    openssl = root / "usr/lib/ssl"
    openssl.mkdir(exist_ok=True)
    for name, target in (("certs", "/etc/ssl/certs"), ("cert.pem", f"/{bundle.relative_to(root)}")):
        remove(openssl / name)
        (openssl / name).symlink_to(target)


def _link_busybox(root: Path, applets: tuple[str, ...]) -> None:
    """Let busybox stand in for the wanted commands that no package brought."""
    known = {Path(path).name: path for path in run_tool([root / _BUSYBOX, "--list-full"]).decode().split()}
    for name in applets:
        if name not in known:
            raise ShredderError(f"busybox has no {name}", hint="mend applets in image.toml")
        places = [root / folder / name for folder in ("usr/bin", "usr/sbin")]
        if not any(place.is_symlink() or place.exists() for place in places):
            places["sbin" in known[name]].symlink_to(f"/{_BUSYBOX}")


def _compile_python(root: Path, version: str) -> None:
    """Leave byte code only, made by the image's own Python.

    The sources' dates must not matter, so the code carries a hash nobody checks (PEP 552). Sets of constants
    are written in the order of their hashes, hence the fixed seed.
    """
    folders = [root / f"usr/lib/python{version}", root / PYTHON_PACKAGES]
    python = foreign_command(root, f"usr/bin/python{version}")
    options = ["-b", "-q", "-f", "-s", str(root), "-p", "/", "--invalidation-mode", "unchecked-hash"]
    variables = {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    run_tool([*python, "-S", "-s", "-m", "compileall", *options, *folders], variables=variables)
    for folder in folders:
        for source in list(folder.rglob("*.py")):
            source.unlink()


def _settle_modes(root: Path) -> None:
    """Whoever builds, with whatever umask: the same modes, and nothing that changes who one is."""
    for path in [root, *root.rglob("*")]:
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            path.chmod(0o755)
        elif stat.S_ISREG(mode):
            path.chmod(0o755 if mode & 0o111 else 0o644)
    for name in _PRIVATE_FOLDERS:
        (root / name).chmod(0o700)
