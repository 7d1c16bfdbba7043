"""The keys of `[delivery]` that are about HTTPS: addresses, headers, token, certificates."""

import re
from enum import StrEnum
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from shredder.decommission.delivery.parcels import REQUIRED, RESULTS, START
from shredder.decommission.delivery.secrets import Load, read_secret
from shredder.decommission.delivery.templates import FILE, HOSTNAME, RUN_ID, find_foreign
from shredder.settings import Table

# RFC 9110, 5.6.2 (token) and 5.5 (field value, visible ASCII and blanks only)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
# RFC 6750, 2.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect"))


class HttpMethod(StrEnum):
    """How a file is sent."""

    PUT = "PUT"
    POST = "POST"


def read_addresses(table: Table) -> tuple[str | None, dict[str, str]]:
    """Return `url`, or None and the URLs of `urls` by file name.

    Raises:
        UsageError: neither or both are there, one is no https URL, or a file that must go has none.
    """
    url, urls = table.text("url"), table.table("urls")
    if "url" in table and "urls" in table:
        raise table.error("urls", 'stands beside "url"', hint="one of the two is enough")
    if "urls" in table:
        return None, _read_urls(urls)
    url = table.need("url", url)
    foreign = find_foreign(url, (RUN_ID, FILE, HOSTNAME))
    if foreign:
        raise table.error("url", f'holds "{foreign}"', hint=f"known are {RUN_ID}, {FILE} and {HOSTNAME}")
    if FILE not in url:
        raise table.error("url", f"does not hold {FILE}, so each file would replace the one before")
    _check_url(table, "url", url)
    return url, {}


def _read_urls(urls: Table) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in (START, *RESULTS):
        url = urls.text(name)
        if url is not None:
            _check_url(urls, name, url)
            found[name] = url
    urls.refuse_unknown()
    for name in (START, *REQUIRED):
        urls.need(name, found.get(name))
    if len(set(found.values())) != len(found):
        raise urls.error(START, "or another file shares its URL, so one would replace the other")
    return found


def _check_url(table: Table, key: str, url: str) -> None:
    """Refuse what is no https URL; the URL itself is not shown, as a presigned one is a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
        (parts.hostname or "").encode("idna")  # as the resolver will
    except ValueError:
        raise table.error(key, "is not a URL") from None
    if parts.scheme != "https":
        raise table.error(key, "does not begin with https://")
    if not parts.hostname or port == 0:
        raise table.error(key, "names no server")
    if "{" in parts.netloc:
        raise table.error(key, "holds a placeholder in the server's name")
    if "@" in parts.netloc:
        raise table.error(key, "holds a user name or password", hint="a header or a token can carry it")
    if "#" in url or not all("!" <= sign <= "~" for sign in url):
        raise table.error(key, "holds a fragment, a blank or a sign that is not ASCII")


def read_token(table: Table, load: Load) -> str | None:
    """Return the bearer token, or None.

    Raises:
        UsageError: it is none.
    """
    token = read_secret(table, "token", load)
    if token is not None and not _TOKEN.fullmatch(token):
        raise table.error("token", "is not a bearer token", hint="letters, digits and . _ ~ + / - =")
    return token


def read_headers(table: Table, *, has_token: bool) -> dict[str, str]:
    """Return the further headers.

    Raises:
        UsageError: one is not well formed, or belongs to the transfer itself.
    """
    headers = table.table("headers")
    found: dict[str, str] = {}
    for name in headers:
        value = headers.need(name, headers.text(name))
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise headers.error(name, "is not a header")
        if name.lower() in _OURS or (has_token and name.lower() == "authorization"):
            raise headers.error(name, "is set by the delivery itself")
        found[name] = value
    return found


def read_certificates(table: Table, key: str, load: Load) -> str | None:
    """Return one or more certificates in PEM, or None.

    Raises:
        UsageError: there are none in the text.
    """
    text = read_secret(table, key, load)
    if text is not None:
        _first_certificate(table, key, text)
    return text


def read_client(table: Table, load: Load) -> tuple[str | None, str | None]:
    """Return the client's certificate (with its chain) and its key, both PEM, or None twice.

    Raises:
        UsageError: one lacks the other, or they do not belong together.
    """
    certificate = read_certificates(table, "client_certificate", load)
    key = read_secret(table, "client_key", load)
    if certificate is None and key is None:
        return None, None
    certificate = table.need("client_certificate", certificate)
    key = table.need("client_key", key)
    try:
        private = load_pem_private_key(key.encode(), None)
    except TypeError:
        raise table.error("client_key", "is encrypted", hint="nobody is there to type a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        raise table.error("client_key", "is not a private key in PEM") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    public = _first_certificate(table, "client_certificate", certificate).public_key()
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise table.error("client_key", "does not belong to the first certificate of client_certificate")
    return certificate, key


def _first_certificate(table: Table, key: str, text: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificates(text.encode())[0]
    except ValueError:
        raise table.error(key, "is not a certificate in PEM") from None
