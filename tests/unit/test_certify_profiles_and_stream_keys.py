"""The small files around a certificate: the profile of people, and the keys for the auditor."""

import hashlib
import re

import pytest

from shredder.certify import profiles
from shredder.certify.profiles import merge_profile, read_profile
from shredder.certify.stream_keys import (
    VERSION,
    DeviceKeys,
    StreamKeys,
    check_key,
    read_stream_keys,
    stream_keys_bytes,
)
from shredder.errors import UsageError
from shredder.model import Person, Profile, Unavailable

NOT_GIVEN = Unavailable("not given")
NOBODY = Person(NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN)
NOTHING = Profile(NOT_GIVEN, NOBODY, NOBODY, NOBODY, NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, {})


def documented_profile() -> str:
    """The example in the module's own description."""
    lines = (profiles.__doc__ or "").splitlines()
    return "\n".join(line[4:] for line in lines if line.startswith("    "))


def test_the_documented_profile_is_read() -> None:
    profile = read_profile(documented_profile(), "profile.toml")
    assert profile == Profile(
        organisation="Example Ltd",
        sanitized_by=Person("A. Operator", "system administrator", "Berlin", "a.operator@example.org"),
        verified_by=NOBODY,
        validated_by=NOBODY,
        media_source="server room 2, rack 14",
        confidentiality="internal",
        destination="returned to the lessor",
        property_numbers={"S4EVNX0M123456": "INV-2041", "/dev/vdb": "INV-2042"},
    )


@pytest.mark.parametrize("text", ["", "# nothing", 'organisation = "  "', "[sanitized_by]"])
def test_what_is_not_given_says_so(text: str) -> None:
    assert read_profile(text, "profile.toml") == NOTHING


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("organisation", "profile.toml is not valid TOML"),
        ('organization = "x"', 'profile.toml: unknown key "organization"'),
        ('[sanitised_by]\nname = "x"', 'profile.toml: unknown key "sanitised_by"'),
        ('[sanitized_by]\nphone = "x"', 'profile.toml: [sanitized_by]: unknown key "phone"'),
        ('[validated_by]\nName = "x"', 'profile.toml: [validated_by]: unknown key "Name"'),
        ("organisation = 7", 'profile.toml: "organisation" is not text'),
        ("[verified_by]\nname = []", 'profile.toml: [verified_by]: "name" is not text'),
        ('verified_by = "x"', 'profile.toml: "verified_by" is not a table, [verified_by]'),
        ("property_numbers = []", 'profile.toml: "property_numbers" is not a table, [property_numbers]'),
        ("[property_numbers]\nS1 = 7", 'profile.toml: [property_numbers]: "S1" is not text'),
    ],
)
def test_what_a_profile_cannot_hold_is_named_with_its_place(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        read_profile(text, "profile.toml")


def test_options_stand_over_the_profile() -> None:
    profile = read_profile(documented_profile(), "profile.toml")
    merged = merge_profile(
        profile,
        operator="B. Operator",
        location="Bonn",
        organisation="Other",
        media_source="stock",
        confidentiality="secret",
        destination="shelf",
        property_numbers={"/dev/vdb": "INV-3", "S-2": "INV-4"},
    )
    assert merged.sanitized_by == Person(
        "B. Operator", "system administrator", "Bonn", "a.operator@example.org"
    )
    assert (merged.organisation, merged.media_source) == ("Other", "stock")
    assert (merged.confidentiality, merged.destination) == ("secret", "shelf")
    assert merged.property_numbers == {"S4EVNX0M123456": "INV-2041", "/dev/vdb": "INV-3", "S-2": "INV-4"}


def test_options_not_given_change_nothing() -> None:
    profile = read_profile(documented_profile(), "profile.toml")
    assert merge_profile(profile) == profile
    assert merge_profile(profile, operator="", property_numbers={}) == profile


KEY_HEX = "0f" * 16
DIGEST = hashlib.sha256(bytes.fromhex(KEY_HEX)).hexdigest()
KEYS = StreamKeys(VERSION, "run-1", (DeviceKeys("/dev/sdx", "ab" * 16, ("", KEY_HEX)),))


def test_stream_keys_round_trip() -> None:
    data = stream_keys_bytes(KEYS)
    assert data.endswith(b"}\n")
    assert read_stream_keys(data, "stream-keys.json") == KEYS


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "stream-keys.json is not valid JSON"),
        (stream_keys_bytes(KEYS)[:-5], "stream-keys.json is not valid JSON"),
        (b"{}", 'stream-keys.json: missing key "version"'),
        (stream_keys_bytes(KEYS).replace(b'"version":1', b'"version":2'), "version 2 is not known"),
        (stream_keys_bytes(KEYS).replace(b'"path"', b'"more"'), 'unknown key "more"'),
    ],
)
def test_what_is_no_file_of_stream_keys_is_told(data: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        read_stream_keys(data, "stream-keys.json")


@pytest.mark.parametrize(
    ("key_hex", "digest", "fits"),
    [
        (KEY_HEX, DIGEST, True),
        ("", "", True),
        ("0e" * 16, DIGEST, False),
        (KEY_HEX, DIGEST[:-1], False),
        (KEY_HEX, "", False),
        ("", DIGEST, False),
        ("", hashlib.sha256(b"").hexdigest(), False),
        ("no hex", DIGEST, False),
    ],
)
def test_only_the_key_of_the_digest_fits(key_hex: str, digest: str, fits: bool) -> None:
    assert check_key(key_hex, digest) == fits
