"""`shredder image build|lock`."""

import time
from pathlib import Path

import click

from shredder.errors import UsageError
from shredder.image.build import build_image
from shredder.image.fetch import cache_folder
from shredder.image.lock import lock_text, read_lock
from shredder.image.recipe import configuration_folder, read_recipe
from shredder.image.resolve import resolve
from shredder.units import binary_size

_LOCK = "lock.json"


@click.group("image")
def command() -> None:
    """The recovery image: a server boots it, and its disks are shredded."""


@command.command("build")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="A folder that is not there yet.",
)
@click.option("--firmware", is_flag=True, help="Put in the non-free firmware that the drivers ask for.")
@click.option(
    "--lock",
    "lock_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The lock file.  [default: the one that came along]",
)
def build(output: Path, firmware: bool, lock_file: Path | None) -> None:
    """Build kernel, initrd, ISO and netboot folder from the locked packages; needs no privilege."""
    recipe = read_recipe(configuration_folder())
    lock = read_lock(lock_file or recipe.folder / _LOCK)
    identity = build_image(recipe, lock, cache_folder(), output, firmware=firmware, say=_say)
    for path in sorted(path for path in output.iterdir() if path.is_file()):
        click.echo(f"{binary_size(path.stat().st_size):>10}  {path}")
    click.echo(identity)


def _say(text: str) -> None:
    click.echo(text, err=True)


@command.command("lock")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where to write it.  [default: the one that came along]",
)
def lock(output: Path | None) -> None:
    """Resolve the image's packages to the versions that Debian and PyPI have now."""
    recipe = read_recipe(configuration_folder())
    place = output or recipe.folder / _LOCK
    resolved = resolve(recipe, int(time.time()))
    try:
        place.write_text(lock_text(resolved), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {place}: {error.strerror}") from None
    click.echo(
        f"{len(resolved.packages)} Debian packages and {len(resolved.wheels)} Python packages: {place}"
    )
