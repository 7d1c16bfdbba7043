"""The strict reader and the one canonical form."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.errors import UsageError
from shredder.events import DeviceEnded, PassEnded
from shredder.model import Fact, Identity, Unavailable
from shredder.ranges import Range
from shredder.records import canonical, digest, from_json, parse, to_json


class Colour(StrEnum):
    """Two are enough."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A record in a record."""

    size_bytes: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class Tree:
    """One field of each kind that records know."""

    name: str
    flag: bool
    maybe: str | None
    colour: Colour
    leaves: tuple[Leaf, ...]
    numbers: dict[str, int]


_TREE = Tree("ä", True, None, Colour.RED, (Leaf(1, "x"), Leaf(2, Unavailable("no udev"))), {"a": 1})
_FACTS = st.text() | st.builds(Unavailable, st.text())
_LEAVES = st.lists(st.builds(Leaf, st.integers(), _FACTS), max_size=3).map(tuple)
_TREES = st.builds(
    Tree,
    st.text(),
    st.booleans(),
    st.none() | st.text(),
    st.sampled_from(Colour),
    _LEAVES,
    st.dictionaries(st.text(), st.integers()),
)


@given(_TREES)
def test_every_record_comes_back_the_same(tree: Tree) -> None:
    assert from_json(Tree, parse(canonical(tree), "tree"), "tree") == tree


def test_canonical_form_is_pinned() -> None:
    expected = (
        '{"colour":"red","flag":true,"leaves":[{"fact":"x","size_bytes":1},'
        '{"fact":{"unavailable":"no udev"},"size_bytes":2}],"maybe":null,"name":"ä","numbers":{"a":1}}'
    ).encode()
    assert canonical(_TREE) == expected
    assert digest(_TREE) == hashlib.sha256(expected).hexdigest()


def test_key_order_does_not_change_the_digest() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": (2,), "a": 1})
    assert digest({"a": 1}) != digest({"a": "1"})


@pytest.mark.parametrize("value", [1.5, b"bytes", {"a": {1, 2}}, object()])
def test_what_has_no_exact_form_is_not_written(value: object) -> None:
    with pytest.raises(TypeError, match="no JSON form"):
        canonical(value)


def _changed(**changes: Any) -> dict[str, Any]:
    return {**to_json(_TREE), **changes}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_changed(extra=1), 'tree: unknown key "extra"'),
        ({key: value for key, value in _changed().items() if key != "flag"}, 'tree: missing key "flag"'),
        (_changed(name=1), "tree.name: expected str"),
        (_changed(flag=1), "tree.flag: expected bool"),
        (_changed(flag="true"), "tree.flag: expected bool"),
        (_changed(maybe=0), "tree.maybe: expected str or NoneType"),
        (_changed(colour="green"), "tree.colour: expected one of red, blue"),
        (_changed(colour=["red"]), "tree.colour: expected one of red, blue"),
        (_changed(leaves={}), "tree.leaves: expected a list"),
        (_changed(leaves=[{"size_bytes": True, "fact": "x"}]), "tree.leaves[0].size_bytes: expected int"),
        (_changed(leaves=[{"size_bytes": 1, "fact": {"unavailable": 3}}]), "tree.leaves[0].fact: expected"),
        (_changed(leaves=["x"]), "tree.leaves[0]: expected an object"),
        (_changed(numbers=[]), "tree.numbers: expected an object"),
        (_changed(numbers={"a": "1"}), "tree.numbers.a: expected int"),
        ([], "tree: expected an object"),
        (None, "tree: expected an object"),
    ],
)
def test_what_is_not_exactly_the_record_names_its_place(data: Any, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(Tree, data, "tree")
    assert caught.value.message.startswith(said)


def test_a_record_s_own_rule_holds_when_it_is_read() -> None:
    with pytest.raises(UsageError, match="ranges: not a range"):
        from_json(Range, {"start_bytes": -1, "length_bytes": 1}, "ranges")


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        "1.0",
        "1e3",
        "NaN",
        "Infinity",
        "",
        "{",
        "[" * 100_000,
        b"\xff\xfe{",
    ],
)
def test_json_that_we_would_not_have_written_is_refused(text: str | bytes) -> None:
    with pytest.raises(UsageError, match=r"plan\.json is not valid JSON"):
        parse(text, "plan.json")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_parse_reads_all_other_json(value: Any) -> None:
    assert parse(json.dumps(value), "x") == value


@given(st.binary())
def test_no_bytes_raise_anything_but_a_usage_error(data: bytes) -> None:
    try:
        from_json(Tree, parse(data, "x"), "x")
    except UsageError:
        return
    raise AssertionError("random bytes are no tree")


def test_nouns_and_events_come_back_the_same() -> None:
    missing = Unavailable("no serial")
    identity = Identity(missing, "0x5000", 512, 0, 512, missing, missing, "diskseq 1")
    ended = PassEnded("/dev/x", 1, (Range(0, 512),), (), 0, None, "gone", False, 7)
    for kind, value in (
        (Identity, identity),
        (PassEnded, ended),
        (DeviceEnded, DeviceEnded("/dev/x", None, True)),
    ):
        assert from_json(kind, parse(canonical(value), "x"), "x") == value
