"""Settings are read strictly: every refusal names file, table and key."""

from collections.abc import Callable
from enum import StrEnum

import pytest

from shredder.errors import UsageError
from shredder.settings import Table, read_settings


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


EXAMPLE = """
name = "  web "
count = 3
loud = false
paths = ["/a", " /b"]
colour = "red"
[inner]
key = "value"
[[rows]]
x = 1
[[rows]]
x = 2
"""


def table(text: str = EXAMPLE) -> Table:
    return read_settings(text, "policy.toml")


def test_each_kind_is_read() -> None:
    found = table()
    assert found.text("name") == "web"
    assert found.whole("count") == 3
    assert found.flag("loud") is False
    assert found.texts("paths") == ("/a", "/b")
    assert found.choice("colour", Colour) is Colour.RED
    assert found.table("inner").text("key") == "value"
    assert [row.whole("x") for row in found.tables("rows")] == [1, 2]
    found.refuse_unknown()
    assert "name" in found
    assert list(found)[:2] == ["name", "count"]


def test_what_is_not_there_is_none_or_empty() -> None:
    empty = table("")
    read: list[Callable[[str], object]] = [empty.text, empty.whole, empty.flag, empty.texts]
    assert [one("x") for one in read] == [None] * 4
    assert empty.choice("x", Colour) is None
    assert list(empty.table("x")) == []
    assert empty.tables("x") == ()
    with pytest.raises(UsageError, match=r'policy\.toml: "x" is missing'):
        empty.need("x", empty.text("x"))


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda t: t.text("count"), 'policy.toml: "count" is not text'),
        (lambda t: t.whole("loud"), 'policy.toml: "loud" is not a whole number'),
        (lambda t: t.whole("name"), 'policy.toml: "name" is not a whole number'),
        (lambda t: t.flag("count"), 'policy.toml: "count" is not true or false'),
        (lambda t: t.texts("name"), 'policy.toml: "name" is not a list of texts'),
        (lambda t: t.texts("rows"), 'policy.toml: "rows" is not a list of texts'),
        (lambda t: t.table("name"), r'policy.toml: "name" is not a table, \[name\]'),
        (lambda t: t.tables("paths"), r'policy.toml: "paths" is not a list of tables, \[\[paths\]\]'),
        (lambda t: t.choice("name", Colour), 'policy.toml: "name" is "web"'),
        (lambda t: t.table("inner").whole("key"), r'policy.toml: \[inner\]: "key" is not a whole number'),
        (lambda t: t.tables("rows")[1].text("x"), r'policy.toml: \[\[rows\]\] 2: "x" is not text'),
    ],
)
def test_another_type_is_refused_with_its_place(read: Callable[[Table], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(table())


def test_a_key_that_nobody_asked_for_is_refused() -> None:
    found = table()
    found.text("name")
    with pytest.raises(UsageError, match=r'policy\.toml: unknown key "count"') as caught:
        found.refuse_unknown()
    assert caught.value.hint == "known are name"


def test_broken_toml_is_refused() -> None:
    with pytest.raises(UsageError, match=r"policy\.toml is not valid TOML"):
        table("a = [")
