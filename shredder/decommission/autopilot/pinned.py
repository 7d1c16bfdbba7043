"""A configuration from a web server that is known by its public key, not by who signed its certificate.

The pin is that of RFC 7469, 2.4: the SHA-256 of the SubjectPublicKeyInfo, in base64, written as curl does.
"""

import base64
import binascii
import hashlib
import http.client
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shredder.decommission.delivery.retry import limited
from shredder.errors import UndeliveredError, UsageError

_PIN_STARTS = "sha256//"
_TIMEOUT_S = 30
_LIMIT_S = 60.0
_LIMIT_BYTES = 256 * 1024


def read_pin(text: str) -> bytes:
    """Return the 32 bytes of a pin.

    Raises:
        UsageError: it is not written as sha256//BASE64.
    """
    try:
        pin = base64.b64decode(text.removeprefix(_PIN_STARTS), validate=True)
    except (binascii.Error, ValueError):
        pin = b""
    if not text.startswith(_PIN_STARTS) or len(pin) != hashlib.sha256().digest_size:
        raise UsageError(
            f'shredder.pin is "{text}", not {_PIN_STARTS} and 44 characters of base64',
            hint="`openssl x509 -in server.pem -noout -pubkey | openssl pkey -pubin -outform der"
            " | openssl dgst -sha256 -binary | base64` prints what comes after sha256//",
        )
    return pin


def check_url(url: str) -> None:
    """Make sure that a configuration can be fetched from there.

    Raises:
        UsageError: it is no https address.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError("shredder.url is no https address")


def fetch_pinned(url: str, pin: bytes, wants_stop: Callable[[], bool] = lambda: False) -> str:
    """Fetch a text; nothing is asked of a server that holds another key, and half of a text is none.

    Args:
        url: from `check_url`; redirects are not followed.
        pin: from `read_pin`.
        wants_stop: ends it.

    Raises:
        UndeliveredError: the server could not be reached or gave no whole text; trying again may help.
        UsageError: it holds another key, or what it gave cannot be a configuration.
    """
    host = urlsplit(url).hostname or ""
    with limited(f"fetching from {host}", _LIMIT_S, wants_stop):
        return _fetch(url, host, pin)


def _fetch(url: str, host: str, pin: bytes) -> str:
    parts = urlsplit(url)
    # the pin takes the place of the chain, and of the name: it is stricter than both
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=context)
    try:
        connection.connect()
        _check_key(connection, host, pin)
        target = parts.path or "/"
        connection.request("GET", f"{target}?{parts.query}" if parts.query else target)
        return _read_answer(connection.getresponse(), host)
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UndeliveredError(f"{host} gave no configuration: {why}") from None
    finally:
        connection.close()


def _check_key(connection: http.client.HTTPSConnection, host: str, pin: bytes) -> None:
    shown = connection.sock.getpeercert(binary_form=True)
    if not isinstance(shown, bytes):
        raise UndeliveredError(f"{host} shows no certificate")
    key = x509.load_der_x509_certificate(shown).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    found = hashlib.sha256(spki).digest()
    if found != pin:
        raise UsageError(
            f"{host} does not hold the key that shredder.pin names",
            hint=f"it holds {_PIN_STARTS}{base64.b64encode(found).decode()}",
        )


def _read_answer(answer: http.client.HTTPResponse, host: str) -> str:
    if answer.status != http.client.OK:
        raise UndeliveredError(f"{host} answered {answer.status} {answer.reason}")
    size_bytes = answer.length
    if size_bytes is None and not answer.chunked:
        raise UsageError(f"{host} does not say how long its answer is", hint="it has to send Content-Length")
    # what is cut on its way comes without an error, unless it is chunked
    content = answer.read(_LIMIT_BYTES + 1)
    if len(content) > _LIMIT_BYTES:
        raise UsageError(f"what {host} gave is larger than {_LIMIT_BYTES} bytes")
    if size_bytes is not None and len(content) != size_bytes:
        raise UndeliveredError(f"{host} sent {len(content)} of {size_bytes} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"what {host} gave is not text (UTF-8)") from None
