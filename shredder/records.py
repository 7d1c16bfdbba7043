"""Frozen dataclasses to JSON and back, strictly; one canonical form for digests.

A plan, an evidence log and a certificate are only as good as their reader: an
unknown key, a missing one or a value of another type is an error that names
where it stands, never a default.
"""

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from shredder.errors import UsageError

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Turn dataclasses, enums, tuples and mappings into what `json` can write."""
    kind: Any = type(value)
    names = _field_names(kind)  # first: a record of many thousand files is made of little else
    if names is not None:
        return {name: to_json(getattr(value, name)) for name in names}
    if value is None or kind in (str, int, bool):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, str | int):
        return value
    raise TypeError(f"no JSON form for {kind.__name__}")


@cache
def _field_names(kind: Any) -> tuple[str, ...] | None:
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else None


def canonical(value: object) -> bytes:
    """Return the one byte string for a value: sorted keys, no spaces, UTF-8, no floats.

    Without floats this is the canonical form of RFC 8785 for keys in the basic plane.

    Raises:
        UsageError: a text holds what UTF-8 cannot.
    """
    text = json.dumps(to_json(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("a name or text is not UTF-8, so it cannot be recorded") from None


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical form, in lower-case hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def parse(text: str | bytes, where: str) -> Any:
    """Parse JSON; a key that stands twice, a float or NaN is an error.

    Args:
        text: the JSON text.
        where: what the user knows it by, for the error.

    Raises:
        UsageError: it is not JSON that we would have written.
    """

    def refuse(number: str) -> Any:
        raise ValueError(f"{number} is not a whole number")

    try:
        return json.loads(text, object_pairs_hook=_unique, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where} is not valid JSON: {error}") from None


def from_json(kind: type[T], data: Any, where: str) -> T:
    """Read a value of type `kind` from parsed JSON.

    Args:
        kind: a dataclass, enum, str, int, bool, None, `tuple[X, ...]`, `dict[str, X]` or a union of these.
        data: what `parse` returned.
        where: the place, e.g. "plan.json: steps[0]", for the error.

    Raises:
        UsageError: a key or type is not what `kind` says.
    """
    result: T = _read(kind, data, where)
    return result


def _read(kind: Any, data: Any, where: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _read_union(typing.get_args(kind), data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise UsageError(f"{where}: expected a list")
        item_kind = typing.get_args(kind)[0]
        return tuple(_read(item_kind, item, f"{where}[{at}]") for at, item in enumerate(data))
    if origin is dict:
        return {
            key: _read(typing.get_args(kind)[1], item, f"{where}.{key}") for key, item in _table(data, where)
        }
    if is_dataclass(kind):
        return _read_dataclass(kind, data, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _read_enum(kind, data, where)
    if kind is types.NoneType and data is None:
        return None
    if isinstance(kind, type) and type(data) is kind:
        return data
    raise UsageError(f"{where}: expected {getattr(kind, '__name__', kind)}")


def _table(data: Any, where: str) -> list[tuple[str, Any]]:
    if not isinstance(data, dict):
        raise UsageError(f"{where}: expected an object")
    return list(data.items())


def _read_union(kinds: tuple[Any, ...], data: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _read(kind, data, where)
        except UsageError:
            continue
    names = " or ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    raise UsageError(f"{where}: expected {names}")


def _read_enum(kind: type[Enum], data: Any, where: str) -> Enum:
    try:
        return kind(data)
    except ValueError:
        names = ", ".join(str(member.value) for member in kind)
        raise UsageError(f"{where}: expected one of {names}") from None


@cache
def _shape(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {item.name: hints[item.name] for item in fields(kind)}


def _read_dataclass(kind: Any, data: Any, where: str) -> Any:
    shape = _shape(kind)
    given = dict(_table(data, where))
    unknown = [key for key in given if key not in shape]
    missing = [key for key in shape if key not in given]
    if unknown or missing:
        what = f'unknown key "{unknown[0]}"' if unknown else f'missing key "{missing[0]}"'
        raise UsageError(f"{where}: {what}")
    values = {key: _read(shape[key], item, f"{where}.{key}") for key, item in given.items()}
    try:
        return kind(**values)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
