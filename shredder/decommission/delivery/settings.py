"""The `[delivery]` table of a configuration: where the certificate goes, and what that needs.

    [delivery]
    how = "https"                 # or sftp, stick, ssh, none
    start_timeout_s = 600         # how long the start entry may take to arrive before anything is written

https:

    url = "https://vault.example.org/{run_id}/{file}"     # or a table `urls`: one presigned URL a file
    method = "PUT"                # or POST
    token_file = "token"          # sent as a bearer token
    ca_file = "ca.pem"            # only this CA is trusted
    client_certificate_file = "client.pem"
    client_key_file = "client.key"
    headers = { X-Department = "7" }

sftp:

    host = "vault.example.org"
    port = 22
    user = "shredder"
    folder = "certificates/{run_id}"
    key_file = "id_ed25519"
    host_key = "ssh-ed25519 AAAA..."

Every `NAME_file` is a file beside the configuration, and may be given inline as `NAME` instead.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from shredder.decommission.delivery import web_settings
from shredder.decommission.delivery.host_keys import read_host_keys, read_private_key
from shredder.decommission.delivery.secrets import Load, read_secret
from shredder.decommission.delivery.templates import HOSTNAME, RUN_ID, find_foreign
from shredder.decommission.delivery.web_settings import HttpMethod
from shredder.settings import Table

_START_TIMEOUT_S = 600
_LONGEST_TIMEOUT_S = 7 * 24 * 3600
_SSH_PORT = 22
_WORD = re.compile(r"[A-Za-z0-9._:][A-Za-z0-9._:-]*")
# what sftp's own command language would take for something else
_MEANINGFUL = frozenset("*?[]\"'\\")


class How(StrEnum):
    """The ways out."""

    HTTPS = "https"
    SFTP = "sftp"
    STICK = "stick"
    SSH = "ssh"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class HttpsDelivery:
    """By HTTPS to a server.

    Either `url` is a template, or `urls` holds a URL by file name. `ca` is PEM, None for the system's;
    `token`, `client_certificate` and `client_key` (PEM) are None where there is none.
    """

    start_timeout_s: int
    method: HttpMethod
    url: str | None
    urls: dict[str, str] = field(repr=False)
    token: str | None = field(repr=False)
    ca: str | None
    client_certificate: str | None
    client_key: str | None = field(repr=False)
    headers: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SftpDelivery:
    """By SFTP.

    `key` is a private key in OpenSSH's format, `host_keys` are pinned, each as "ssh-ed25519 AAAA...".
    """

    start_timeout_s: int
    host: str
    port: int
    user: str
    folder: str
    key: str = field(repr=False)
    host_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StickDelivery:
    """To a removable volume labelled SHREDDER."""

    start_timeout_s: int


@dataclass(frozen=True, slots=True)
class SshDelivery:
    """The operator fetches it over the image's own SSH."""

    start_timeout_s: int


@dataclass(frozen=True, slots=True)
class NoDelivery:
    """It stays on the machine, and the operator said so."""

    start_timeout_s: int


Delivery: TypeAlias = HttpsDelivery | SftpDelivery | StickDelivery | SshDelivery | NoDelivery


def read_delivery(table: Table, load: Load) -> Delivery:
    """Read the `[delivery]` table.

    Args:
        table: the table.
        load: returns the bytes of a file beside the configuration, by its name.

    Raises:
        UsageError: a key is missing, unknown or not what it should be.
    """
    how = table.need("how", table.choice("how", How))
    timeout_s = _read_number(table, "start_timeout_s", _START_TIMEOUT_S, _LONGEST_TIMEOUT_S)
    delivery = _read_way(how, timeout_s, table, load)
    table.refuse_unknown()
    return delivery


def _read_way(how: How, timeout_s: int, table: Table, load: Load) -> Delivery:
    if how is How.HTTPS:
        return _read_https(timeout_s, table, load)
    if how is How.SFTP:
        return _read_sftp(timeout_s, table, load)
    if how is How.STICK:
        return StickDelivery(timeout_s)
    return SshDelivery(timeout_s) if how is How.SSH else NoDelivery(timeout_s)


def _read_https(timeout_s: int, table: Table, load: Load) -> HttpsDelivery:
    url, urls = web_settings.read_addresses(table)
    token = web_settings.read_token(table, load)
    certificate, key = web_settings.read_client(table, load)
    return HttpsDelivery(
        start_timeout_s=timeout_s,
        method=table.choice("method", HttpMethod) or HttpMethod.PUT,
        url=url,
        urls=urls,
        token=token,
        ca=web_settings.read_certificates(table, "ca", load),
        client_certificate=certificate,
        client_key=key,
        headers=web_settings.read_headers(table, has_token=token is not None),
    )


def _read_sftp(timeout_s: int, table: Table, load: Load) -> SftpDelivery:
    key = table.need("key", read_secret(table, "key", load))
    host_key = table.need("host_key", read_secret(table, "host_key", load))
    return SftpDelivery(
        start_timeout_s=timeout_s,
        host=_read_word(table, "host"),
        port=_read_number(table, "port", _SSH_PORT, 65535),
        user=_read_word(table, "user"),
        folder=_read_folder(table),
        key=read_private_key(table, "key", key),
        host_keys=read_host_keys(table, "host_key", host_key),
    )


def _read_number(table: Table, key: str, default: int, most: int) -> int:
    number = table.whole(key)
    if number is None:
        return default
    if not 1 <= number <= most:
        raise table.error(key, f"is {number}", hint=f"it is a whole number from 1 to {most}")
    return number


def _read_word(table: Table, key: str) -> str:
    """Return a host's or user's name: one word that ssh cannot take for an option or a part of one."""
    word = table.need(key, table.text(key))
    if not _WORD.fullmatch(word):
        raise table.error(key, f'is "{word}"', hint="letters, digits, dots, colons, dashes and underscores")
    return word


def _read_folder(table: Table) -> str:
    folder = table.text("folder")
    if folder is None:
        return RUN_ID
    foreign = find_foreign(folder, (RUN_ID, HOSTNAME))
    if foreign:
        raise table.error("folder", f'holds "{foreign}"', hint=f"known are {RUN_ID} and {HOSTNAME}")
    if not folder or not folder.isprintable() or _MEANINGFUL & set(folder) or folder.startswith("~"):
        raise table.error("folder", "is not the plain name of a folder", hint="no quotes, wildcards or ~")
    return folder
