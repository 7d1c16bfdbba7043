"""What only people know, for the certificate: a small TOML file, and options over it.

Every key may be left out, and then stands on the certificate as not given:

    organisation = "Example Ltd"
    media_source = "server room 2, rack 14"
    confidentiality = "internal"
    destination = "returned to the lessor"

    [sanitized_by]                # likewise [verified_by] and [validated_by]
    name = "A. Operator"
    title = "system administrator"
    location = "Berlin"
    contact = "a.operator@example.org"

    [property_numbers]            # by serial number or path
    S4EVNX0M123456 = "INV-2041"
    "/dev/vdb" = "INV-2042"
"""

import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from shredder.errors import UsageError
from shredder.model import Fact, Person, Profile, Unavailable

NOT_GIVEN = Unavailable("not given")

_KEYS = tuple(item.name for item in fields(Profile))
_PERSON_FACTS = tuple(item.name for item in fields(Person))


def read_profile(text: str, where: str) -> Profile:
    """Read a profile; an empty text is a profile in which nothing is given.

    Args:
        text: TOML as in this module's description.
        where: what the user knows it by, for errors.

    Raises:
        UsageError: it is not TOML, or a key is unknown or not text.
    """
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{where} is not valid TOML: {error}") from None
    _refuse_unknown(table, _KEYS, where)
    numbers = _read_table(table, "property_numbers", where)

    def fact(name: str) -> Fact:
        return _read_fact(table, name, where)

    def person(name: str) -> Person:
        return _read_person(_read_table(table, name, where), f"{where}: [{name}]")

    return Profile(
        organisation=fact("organisation"),
        sanitized_by=person("sanitized_by"),
        verified_by=person("verified_by"),
        validated_by=person("validated_by"),
        media_source=fact("media_source"),
        confidentiality=fact("confidentiality"),
        destination=fact("destination"),
        property_numbers={key: _read_text(numbers, key, f"{where}: [property_numbers]") for key in numbers},
    )


def merge_profile(
    profile: Profile,
    *,
    operator: str | None = None,
    location: str | None = None,
    organisation: str | None = None,
    media_source: str | None = None,
    confidentiality: str | None = None,
    destination: str | None = None,
    property_numbers: Mapping[str, str] | None = None,
) -> Profile:
    """Return the profile with what was given as options in place of what it says.

    Args:
        profile: the one to start from.
        operator: the name of who sanitizes.
        location: where that happens.
        organisation: whose media they are.
        media_source: where the media come from.
        confidentiality: of the data before.
        destination: where the media go.
        property_numbers: by serial number or path, added to those of the profile.
    """
    person = profile.sanitized_by
    return replace(
        profile,
        sanitized_by=replace(person, name=operator or person.name, location=location or person.location),
        organisation=organisation or profile.organisation,
        media_source=media_source or profile.media_source,
        confidentiality=confidentiality or profile.confidentiality,
        destination=destination or profile.destination,
        property_numbers={**profile.property_numbers, **(property_numbers or {})},
    )


def _refuse_unknown(table: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f'{where}: unknown key "{key}"', hint=f"known are {', '.join(known)}")


def _read_table(table: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{where}: [{name}] is not a table")
    return found


def _read_person(table: dict[str, Any], where: str) -> Person:
    _refuse_unknown(table, _PERSON_FACTS, where)
    return Person(**{name: _read_fact(table, name, where) for name in _PERSON_FACTS})


def _read_fact(table: dict[str, Any], name: str, where: str) -> Fact:
    return (_read_text(table, name, where) if name in table else "") or NOT_GIVEN


def _read_text(table: dict[str, Any], name: str, where: str) -> str:
    value = table[name]
    if not isinstance(value, str):
        raise UsageError(f'{where}: "{name}" is not text')
    return value.strip()
