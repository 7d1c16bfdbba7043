"""Lock file and recipe: what is written down, and what is refused."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.errors import ShredderError, UsageError
from shredder.image.lock import Group, Lock, LockedPackage, LockedWheel, lock_text, read_lock
from shredder.image.recipe import configuration_folder, read_recipe
from shredder.image.resolve import read_uris

PROJECT = Path(__file__).parents[2]
PACKAGE = LockedPackage("a", "1:2-3", "amd64", "https://m/a.deb", 7, "0" * 64, (Group.ROOT, Group.TOOLS))
FIRMWARE = LockedPackage("b", "1", "all", "https://m/b.deb", 8, "1" * 64, (Group.FIRMWARE,))
WHEEL = LockedWheel("click", "8.3", "https://p/click.whl", 9, "2" * 64)
LOCK = Lock(1, 1_700_000_000, "3" * 64, (PACKAGE, FIRMWARE), (WHEEL,))


def test_a_lock_comes_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text(lock_text(LOCK))
    assert read_lock(path) == LOCK


def test_a_package_is_one_line() -> None:
    newer = replace(LOCK, packages=(PACKAGE, replace(FIRMWARE, version="2")))
    pairs = zip(lock_text(LOCK).splitlines(), lock_text(newer).splitlines(), strict=True)
    assert sum(before != after for before, after in pairs) == 1


def test_groups_are_taken_apart() -> None:
    assert list(LOCK.group(Group.TOOLS)) == [PACKAGE]
    assert LOCK.without(Group.FIRMWARE).packages == (PACKAGE,)
    assert LOCK.without(Group.TOOLS) == LOCK


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format 2"),
        ({"epoch_s": "now"}, "epoch_s"),
        ({"extra": 1}, 'unknown key "extra"'),
        ({"packages": [{"name": "a"}]}, "packages"),
    ],
)
def test_another_lock_is_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    path = tmp_path / "lock.json"
    path.write_text(json.dumps({**json.loads(lock_text(LOCK)), **change}))
    with pytest.raises(UsageError, match=said):
        read_lock(path)


def test_a_missing_lock_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_lock(tmp_path / "lock.json")
    assert "shredder image lock" in str(caught.value.hint)


def test_the_checked_in_lock_is_of_the_checked_in_recipe() -> None:
    recipe = read_recipe(configuration_folder())
    lock = read_lock(recipe.folder / "lock.json")
    assert lock.recipe == recipe.resolved_from()
    names = {package.name for package in lock.packages}
    assert not names & set(recipe.packages.left_out)
    for group, named in recipe.packages.groups.items():
        wanted = set(named) - set(recipe.packages.left_out)
        assert wanted <= {package.name for package in lock.group(Group(group))}


def test_the_image_has_the_base_dependencies() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert sorted(project["project"]["dependencies"]) == sorted(
        read_recipe(configuration_folder()).python.requirements
    )


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("[modules]", "[modules]\nnew = 1", 'unknown key "new"'),
        ("mirror =", "miror =", '"mirror" is missing'),
        ("[root]", "[ruut]", '"drop" is missing'),
        ("root = [", 'root = "x"\nroots = [', '"root" is not a list of texts'),
    ],
)
def test_another_recipe_is_refused(before: str, after: str, said: str, tmp_path: Path) -> None:
    text = (configuration_folder() / "image.toml").read_text()
    assert before in text
    (tmp_path / "image.toml").write_text(text.replace(before, after, 1))
    with pytest.raises(UsageError, match=said):
        read_recipe(tmp_path)


def test_what_is_resolved_has_a_digest_and_the_rest_has_none() -> None:
    recipe = read_recipe(configuration_folder())
    assert replace(recipe, drop=()).resolved_from() == recipe.resolved_from()
    other = replace(recipe, python=replace(recipe.python, version="3.14"))
    assert other.resolved_from() != recipe.resolved_from()


def test_what_apt_prints_is_understood() -> None:
    line = f"'https://m/pool/x_1%3a2_amd64.deb' x_1%3a2_amd64.deb 12 SHA256:{'a' * 64}"
    (package,) = read_uris(line, Group.ROOT)
    assert package == LockedPackage(
        "x", "1:2", "amd64", "https://m/pool/x_1%3a2_amd64.deb", 12, "a" * 64, (Group.ROOT,)
    )


@pytest.mark.parametrize("line", ["Reading package lists...", "'https://m/x' x_1_all.deb 12 MD5Sum:00"])
def test_a_line_without_a_strong_digest_is_refused(line: str) -> None:
    with pytest.raises(ShredderError, match="not understood"):
        list(read_uris(line, Group.ROOT))
