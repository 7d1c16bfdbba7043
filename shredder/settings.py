"""TOML that people write, read strictly: what is unknown or of another type is an error that says where."""

import tomllib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeVar

from shredder.errors import UsageError

_Choice = TypeVar("_Choice", bound=StrEnum)
_Value = TypeVar("_Value")


class Table:
    """One table of such a file. What was asked for is known; `refuse_unknown` refuses the rest.

    Args:
        data: the keys and values.
        where: what the user knows the table by, e.g. "policy.toml: [[logs]] web".
    """

    def __init__(self, data: dict[str, Any], where: str) -> None:
        self._data = data
        self.where = where
        self._asked: dict[str, None] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def text(self, key: str) -> str | None:
        """Return a text without the blanks around it, or None when the key is not there."""
        value = self.exact_text(key)
        return value if value is None else value.strip()

    def exact_text(self, key: str) -> str | None:
        """Return a text as it stands there, with its blanks, or None."""
        return self._take(key, str, "text")

    def whole(self, key: str) -> int | None:
        """Return a whole number, or None."""
        value = self._take(key, int, "a whole number")
        if isinstance(value, bool):
            raise self.error(key, "is not a whole number")
        return value

    def flag(self, key: str) -> bool | None:
        """Return true or false, or None."""
        return self._take(key, bool, "true or false")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts without the blanks around them, or None."""
        values = self.exact_texts(key)
        return values if values is None else tuple(value.strip() for value in values)

    def exact_texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts as they stand there, with their blanks, or None."""
        values = self._take(key, list, "a list of texts")
        if values is None:
            return None
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "is not a list of texts")
        return tuple(values)

    def choice(self, key: str, kind: type[_Choice]) -> _Choice | None:
        """Return one of the words of an enum, or None."""
        word = self.text(key)
        if word is None:
            return None
        if word not in list(kind):
            raise self.error(key, f'is "{word}"', hint="known are " + ", ".join(kind))
        return kind(word)

    def table(self, key: str) -> "Table":
        """Return a table below this one; empty when it is not there."""
        found: dict[str, Any] = self._take(key, dict, f"a table, [{key}]") or {}
        return Table(found, f"{self.where}: [{key}]")

    def tables(self, key: str) -> tuple["Table", ...]:
        """Return a list of tables below this one; empty when it is not there."""
        found = self._take(key, list, f"a list of tables, [[{key}]]") or []
        if not all(isinstance(item, dict) for item in found):
            raise self.error(key, f"is not a list of tables, [[{key}]]")
        return tuple(Table(item, f"{self.where}: [[{key}]] {at}") for at, item in enumerate(found, start=1))

    def need(self, key: str, value: _Value | None) -> _Value:
        """Return the value that was read for a key that must be there.

        Raises:
            UsageError: it is not there.
        """
        if value is None:
            raise UsageError(f'{self.where}: "{key}" is missing')
        return value

    def error(self, key: str, problem: str, *, hint: str | None = None) -> UsageError:
        """Return the error that says what is wrong with a key's value."""
        return UsageError(f'{self.where}: "{key}" {problem}', hint=hint)

    def refuse_unknown(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            UsageError: there is one.
        """
        for key in self._data:
            if key not in self._asked:
                raise UsageError(
                    f'{self.where}: unknown key "{key}"', hint=f"known are {', '.join(self._asked)}"
                )

    def _take(self, key: str, kind: type[_Value], what: str) -> _Value | None:
        self._asked[key] = None
        value = self._data.get(key)
        if value is not None and not isinstance(value, kind):
            raise self.error(key, f"is not {what}")
        return value


def read_settings(text: str, where: str) -> Table:
    """Read a file.

    Args:
        text: TOML.
        where: what the user knows the file by.

    Raises:
        UsageError: it is not TOML.
    """
    try:
        return Table(tomllib.loads(text), where)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from None
