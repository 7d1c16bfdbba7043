"""From the recipe's lists to a lock: apt and pip say which versions are current, and nothing is installed."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from urllib.request import Request, urlopen

from shredder.errors import ShredderError
from shredder.image.lock import LOCK_FORMAT, Group, Lock, LockedPackage, LockedWheel
from shredder.image.recipe import Archive, PythonPackages, Recipe
from shredder.image.tools import need_tools, run_tool

TOOLS = {"apt-get": "apt"}
_KERNEL = "linux-image-"
_URI = re.compile(r"^'(?P<url>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$")
_HTTP_TIMEOUT_S = 60


def resolve(recipe: Recipe, epoch_s: int) -> Lock:
    """Ask the Debian mirror and PyPI for the current versions of all that the recipe names.

    Args:
        recipe: the lists.
        epoch_s: now, in seconds since 1970: becomes the image's date.

    Raises:
        UsageError: a program is missing here.
        ShredderError: a mirror does not answer, is not signed as it must be, or lacks a package.
    """
    need_tools(TOOLS)
    with tempfile.TemporaryDirectory(prefix="shredder-lock-") as folder:
        packages = _resolve_debian(recipe, Path(folder))
    return Lock(LOCK_FORMAT, epoch_s, recipe.resolved_from(), packages, _resolve_python(recipe.python))


def _resolve_debian(recipe: Recipe, folder: Path) -> tuple[LockedPackage, ...]:
    variables = {**os.environ, "APT_CONFIG": str(_private_apt(recipe.archive, folder))}
    run_tool(["apt-get", "update", "-qq", "--error-on=any"], variables=variables)
    packages: dict[str, LockedPackage] = {}
    for group in Group:
        named = recipe.packages.groups[group]
        command = ["apt-get", "install", "--print-uris", "-qq", "-y", *named]
        for package in read_uris(run_tool(command, variables=variables).decode(), group):
            if package.name not in recipe.packages.left_out and _is_used(package.name, group, named):
                before = packages[package.name].groups if package.name in packages else ()
                packages[package.name] = _in_groups(package, (*before, group))
    return tuple(packages[name] for name in sorted(packages))


def _is_used(name: str, group: Group, named: tuple[str, ...]) -> bool:
    """Programs need all they depend on; of a kernel, firmware or boot loader its own files are enough."""
    match group:
        case Group.ROOT | Group.TOOLS:
            return True
        case Group.KERNEL:
            return name.startswith(_KERNEL)
        case Group.FIRMWARE | Group.LOADERS:
            return name in named


def _private_apt(archive: Archive, folder: Path) -> Path:
    """Write apt's whole configuration: no file of this machine's own apt is read or written."""
    for name in ("lists/partial", "cache/archives/partial", "etc", "log"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "etc" / "sources.sources"
    sources.write_text("\n".join(_sources(archive)), encoding="utf-8")
    settings = {
        "Dir": folder,
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "-",
        "Dir::Log": folder / "log",
        "Dir::Bin::dpkg": "/bin/false",  # whatever happens, nothing is installed here
        "APT::Architecture": archive.architecture,
        "APT::Architectures": archive.architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::ForceHash": "SHA256",
        "Acquire::Languages": "none",
    }
    path = folder / "apt.conf"
    path.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()), encoding="utf-8")
    return path


def _sources(archive: Archive) -> Iterator[str]:
    for mirror, suites in (
        (archive.mirror, archive.suites),
        (archive.security_mirror, archive.security_suites),
    ):
        yield "Types: deb"
        yield f"URIs: {mirror}"
        yield f"Suites: {' '.join(suites)}"
        yield "Components: main non-free-firmware"
        yield f"Architectures: {archive.architecture}"
        yield f"Signed-By: {archive.keyring}\n"


def read_uris(text: str, group: Group) -> Iterator[LockedPackage]:
    """Yield the packages that `apt-get --print-uris` printed.

    Raises:
        ShredderError: a line is of another form, or has no SHA-256.
    """
    for line in text.splitlines():
        found = _URI.match(line)
        if found is None:
            raise ShredderError(f"apt-get wrote a line that is not understood: {line}")
        name, version, architecture = unquote(found["file"]).removesuffix(".deb").split("_")
        yield LockedPackage(
            name, version, architecture, found["url"], int(found["size"]), found["sha256"], (group,)
        )


def _in_groups(package: LockedPackage, groups: tuple[Group, ...]) -> LockedPackage:
    return LockedPackage(
        package.name,
        package.version,
        package.architecture,
        package.url,
        package.size_bytes,
        package.sha256,
        groups,
    )


def _resolve_python(python: PythonPackages) -> tuple[LockedWheel, ...]:
    plain = [item for item in python.requirements if _name(item) in python.from_source]
    wheels = [item for item in python.requirements if item not in plain]
    platforms = [word for tag in python.platforms for word in ("--platform", tag)]
    version = ["--implementation", "cp", "--python-version", python.version]
    found = [
        *_pip(["--only-binary", ":all:", *version, *platforms, *wheels]),
        *_pip(["--no-deps", "--no-binary", ",".join(python.from_source), *plain]),
    ]
    return tuple(sorted((_locked_wheel(item) for item in found), key=lambda wheel: wheel.name))


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def _pip(words: list[str]) -> list[dict[str, Any]]:
    """Ask PyPI alone, whatever other indexes this machine's pip is set up with."""
    with tempfile.TemporaryDirectory(prefix="shredder-lock-") as folder:
        options = ["--dry-run", "--ignore-installed", "--quiet", "--report", "-", "--target", folder]
        command = [
            sys.executable,
            "-m",
            "pip",
            "--isolated",
            "install",
            "--index-url",
            "https://pypi.org/simple",
        ]
        said = run_tool([*command, *options, *words], variables={**os.environ, "PIP_CONFIG_FILE": os.devnull})
    installs: list[dict[str, Any]] = json.loads(said)["install"]
    return installs


def _locked_wheel(item: Mapping[str, Any]) -> LockedWheel:
    url = item["download_info"]["url"]
    sha256 = item["download_info"]["archive_info"]["hashes"]["sha256"]
    name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
    return LockedWheel(name, item["metadata"]["version"], url, _size_of(url), sha256)


def _size_of(url: str) -> int:
    if not url.startswith("https://"):
        raise ShredderError(f"pip found a package at an unexpected place: {url}")
    try:
        with urlopen(Request(url, method="HEAD"), timeout=_HTTP_TIMEOUT_S) as answer:  # noqa: S310 - https, see above
            return int(answer.headers["Content-Length"])
    except OSError as error:
        raise ShredderError(f"cannot ask for the size of {url}: {error}") from None
