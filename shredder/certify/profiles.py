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

from collections.abc import Mapping
from dataclasses import fields, replace

from shredder.model import Fact, Person, Profile, Unavailable
from shredder.settings import Table, read_settings

NOT_GIVEN = Unavailable("not given")

_PERSON_FACTS = tuple(item.name for item in fields(Person))


def read_profile(text: str, where: str) -> Profile:
    """Read a profile; an empty text is a profile in which nothing is given.

    Args:
        text: TOML as in this module's description.
        where: what the user knows it by, for errors.

    Raises:
        UsageError: it is not TOML, or a key is unknown or not text.
    """
    return profile_from(read_settings(text, where))


def profile_from(table: Table) -> Profile:
    """Return the profile that a table of a larger file holds.

    Raises:
        UsageError: a key is unknown or not text.
    """
    numbers = table.table("property_numbers")
    profile = Profile(
        organisation=_read_fact(table, "organisation"),
        sanitized_by=_read_person(table.table("sanitized_by")),
        verified_by=_read_person(table.table("verified_by")),
        validated_by=_read_person(table.table("validated_by")),
        media_source=_read_fact(table, "media_source"),
        confidentiality=_read_fact(table, "confidentiality"),
        destination=_read_fact(table, "destination"),
        property_numbers={key: numbers.text(key) or "" for key in numbers},
    )
    table.refuse_unknown()
    return profile


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


def _read_person(table: Table) -> Person:
    person = Person(**{name: _read_fact(table, name) for name in _PERSON_FACTS})
    table.refuse_unknown()
    return person


def _read_fact(table: Table, name: str) -> Fact:
    return table.text(name) or NOT_GIVEN
