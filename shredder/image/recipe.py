"""`recovery-image/`: what goes into the image, as people write it down."""

from dataclasses import dataclass
from pathlib import Path

from shredder.errors import UsageError
from shredder.image.lock import Group
from shredder.records import digest
from shredder.settings import Table, read_settings

_LEFT_OUT = "left_out"


@dataclass(frozen=True, slots=True)
class Archive:
    """Where the Debian packages come from, and whose signature is trusted for it."""

    mirror: str
    suites: tuple[str, ...]
    security_mirror: str
    security_suites: tuple[str, ...]
    keyring: str
    architecture: str


@dataclass(frozen=True, slots=True)
class Packages:
    """Names of Debian packages by group, and those dependencies that the image does without."""

    groups: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PythonPackages:
    """What pip resolves: requirements for one version of Python and a few platform tags."""

    version: str
    requirements: tuple[str, ...]
    from_source: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Modules:
    """Which kernel modules the image has: names, and patterns of paths."""

    early: tuple[str, ...]
    keep: tuple[str, ...]
    leave: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The whole configuration; `folder` is where it lies."""

    folder: Path
    archive: Archive
    packages: Packages
    python: PythonPackages
    modules: Modules
    drop: tuple[str, ...]
    applets: tuple[str, ...]

    def resolved_from(self) -> str:
        """Return the digest of what a lock file is resolved from."""
        return digest({"archive": self.archive, "packages": self.packages, "python": self.python})


def configuration_folder() -> Path:
    """Return `recovery-image/`: beside the package in a checkout, within it when it was installed.

    Raises:
        UsageError: it is in neither place.
    """
    here = Path(__file__).resolve()
    for folder in (here.parent / "recovery-image", here.parents[2] / "recovery-image"):
        if (folder / "image.toml").is_file():
            return folder
    raise UsageError(
        "the image's configuration is not there", hint="install shredder again, or work in a checkout"
    )


def read_recipe(folder: Path) -> Recipe:
    """Read `image.toml` of a folder.

    Raises:
        UsageError: it cannot be read, or something in it is unknown or missing.
    """
    path = folder / "image.toml"
    try:
        top = read_settings(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    root = top.table("root")
    recipe = Recipe(
        folder=folder,
        archive=_read_archive(top.table("debian")),
        packages=_read_packages(top.table("packages")),
        python=_read_python(top.table("python")),
        modules=_read_modules(top.table("modules")),
        drop=_texts(root, "drop"),
        applets=_texts(root, "applets"),
    )
    root.refuse_unknown()
    top.refuse_unknown()
    return recipe


def _read_archive(table: Table) -> Archive:
    archive = Archive(
        mirror=_text(table, "mirror"),
        suites=_texts(table, "suites"),
        security_mirror=_text(table, "security_mirror"),
        security_suites=_texts(table, "security_suites"),
        keyring=_text(table, "keyring"),
        architecture=_text(table, "architecture"),
    )
    table.refuse_unknown()
    return archive


def _read_packages(table: Table) -> Packages:
    packages = Packages(
        {group.value: _texts(table, group.value) for group in Group}, _texts(table, _LEFT_OUT)
    )
    table.refuse_unknown()
    return packages


def _read_python(table: Table) -> PythonPackages:
    python = PythonPackages(
        version=_text(table, "version"),
        requirements=_texts(table, "requirements"),
        from_source=_texts(table, "from_source"),
        platforms=_texts(table, "platforms"),
    )
    table.refuse_unknown()
    return python


def _read_modules(table: Table) -> Modules:
    modules = Modules(_texts(table, "early"), _texts(table, "keep"), _texts(table, "leave"))
    table.refuse_unknown()
    return modules


def _text(table: Table, key: str) -> str:
    return table.need(key, table.text(key))


def _texts(table: Table, key: str) -> tuple[str, ...]:
    return table.need(key, table.texts(key))
