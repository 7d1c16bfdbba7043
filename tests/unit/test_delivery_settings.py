"""The [delivery] table, key by key: what is taken, and what is an error that names its place."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from shredder.decommission.delivery.settings import (
    Delivery,
    HttpsDelivery,
    NoDelivery,
    SftpDelivery,
    SshDelivery,
    StickDelivery,
    read_delivery,
)
from shredder.decommission.delivery.web_settings import HttpMethod
from shredder.errors import UsageError
from shredder.settings import Table
from tests.support.servers import Authority

_WHERE = "autopilot.toml: [delivery]"
_CA = Authority()
_CLIENT = _CA.issue()
_OTHER = _CA.issue()

_KEY = Ed25519PrivateKey.generate()


def _written(
    form: PrivateFormat, encryption: KeySerializationEncryption | None = None, key: Any = _KEY
) -> str:
    content: bytes = key.private_bytes(Encoding.PEM, form, encryption or NoEncryption())
    return content.decode()


_SSH_KEY = _written(PrivateFormat.OpenSSH)
_HOST_KEY = _KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

_URL = "https://vault.example.org:8443/{hostname}/{run_id}/{file}?a=b"
_HTTPS = {"how": "https", "url": _URL}
_URLS = {
    "start.jsonl": "https://s3.example.org/1?X-Signature=x",
    "evidence.jsonl": "https://s3.example.org/2",
    "certificate.json": "https://s3.example.org/3",
}
_PRESIGNED = {"how": "https", "urls": _URLS}
_SFTP = {
    "how": "sftp",
    "host": "vault.example.org",
    "user": "shredder",
    "key": _SSH_KEY,
    "host_key": _HOST_KEY,
}
_LEFT_OUT = object()


def _load_nothing(name: str) -> bytes:
    raise FileNotFoundError(2, "No such file or directory", name)


def _read(data: dict[str, Any], load: Callable[[str], bytes] = _load_nothing) -> Delivery:
    return read_delivery(Table(data, _WHERE), load)


def _changed(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in {**base, **changes}.items() if value is not _LEFT_OUT}


def _name_param(value: object) -> str:
    """The keys alone: a test's name must be the same in every process, and the values hold fresh secrets."""
    return "-".join(value) if isinstance(value, dict) else str(value)


def test_the_plain_ways() -> None:
    assert _read({"how": "stick"}) == StickDelivery(600)
    assert _read({"how": "ssh", "start_timeout_s": 86400}) == SshDelivery(86400)
    assert _read({"how": "none"}) == NoDelivery(600)


def test_https_with_the_least() -> None:
    assert _read(_HTTPS) == HttpsDelivery(600, HttpMethod.PUT, _URL, {}, None, None, None, None, {})


def test_https_with_everything() -> None:
    data = _changed(
        _HTTPS,
        start_timeout_s=30,
        method="POST",
        token="abc.DEF-123_~+/==",
        ca=_CA.pem,
        client_certificate=_CLIENT.certificate,
        client_key=_CLIENT.key,
        headers={"X-Department": "7", "x-amz-acl": "private"},
    )
    assert _read(data) == HttpsDelivery(
        start_timeout_s=30,
        method=HttpMethod.POST,
        url=_URL,
        urls={},
        token="abc.DEF-123_~+/==",
        ca=_CA.pem.strip(),
        client_certificate=_CLIENT.certificate.strip(),
        client_key=_CLIENT.key.strip(),
        headers={"X-Department": "7", "x-amz-acl": "private"},
    )


def test_presigned_urls() -> None:
    delivery = _read(_PRESIGNED)
    assert isinstance(delivery, HttpsDelivery)
    assert (delivery.url, delivery.urls) == (None, _URLS)


def test_sftp() -> None:
    expected = SftpDelivery(600, "vault.example.org", 22, "shredder", "{run_id}", _SSH_KEY, (_HOST_KEY,))
    assert _read(_SFTP) == expected
    delivery = _read(
        _changed(_SFTP, port=2222, host="2001:db8::1", folder="/srv/of shredder/{hostname}-{run_id}")
    )
    assert isinstance(delivery, SftpDelivery)
    assert (delivery.port, delivery.host) == (2222, "2001:db8::1")
    assert delivery.folder == "/srv/of shredder/{hostname}-{run_id}"


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.OpenSSH])
def test_private_keys_become_what_every_openssh_reads(form: PrivateFormat) -> None:
    delivery = _read(_changed(_SFTP, key=_written(form)))
    assert isinstance(delivery, SftpDelivery)
    assert delivery.key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    ecdsa = generate_private_key(SECP256R1())
    delivery = _read(_changed(_SFTP, key=_written(form, key=ecdsa)))
    assert isinstance(delivery, SftpDelivery)


def test_host_keys_as_files_and_keyscan_print_them() -> None:
    lines = f"# today\n\nvault.example {_HOST_KEY}\n{_HOST_KEY} root@vault\n[::1]:22 {_HOST_KEY} x\n"
    delivery = _read(_changed(_SFTP, host_key=lines))
    assert isinstance(delivery, SftpDelivery)
    assert delivery.host_keys == (_HOST_KEY,) * 3


@pytest.mark.parametrize(
    ("base", "key", "text", "attribute"),
    [
        (_HTTPS, "token", "t0ken", "token"),
        (_HTTPS, "ca", _CA.pem, "ca"),
        (_SFTP, "host_key", _HOST_KEY, "host_keys"),
        (_SFTP, "key", _SSH_KEY, "key"),
    ],
    ids=["token", "ca", "host_key", "key"],
)
def test_texts_may_lie_in_files(base: dict[str, Any], key: str, text: str, attribute: str) -> None:
    asked = []

    def load(name: str) -> bytes:
        asked.append(name)
        return f"{text}\n".encode()

    inline = _read(_changed(base, **{key: text}))
    filed = _read(_changed(base, **{key: _LEFT_OUT, f"{key}_file": "beside.txt"}), load)
    assert getattr(filed, attribute) == getattr(inline, attribute)
    assert asked == ["beside.txt"]


def test_client_certificate_and_key_may_lie_in_files() -> None:
    texts = {"c.pem": _CLIENT.certificate.encode(), "k.pem": _CLIENT.key.encode()}
    data = _changed(_HTTPS, client_certificate_file="c.pem", client_key_file="k.pem")
    delivery = _read(data, texts.__getitem__)
    assert isinstance(delivery, HttpsDelivery)
    assert delivery.client_key == _CLIENT.key.strip()


_SECRETS = ("token", "ca", "client_certificate", "client_key", "key", "host_key")


def _secret_base(key: str) -> dict[str, Any]:
    return _SFTP if key in ("key", "host_key") else _HTTPS


@pytest.mark.parametrize("key", _SECRETS)
@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/shadow", "../x", "a\\b", "a\0b"])
def test_files_lie_beside_the_configuration(key: str, name: str) -> None:
    data = _changed(_secret_base(key), **{key: _LEFT_OUT, f"{key}_file": name})
    with pytest.raises(UsageError, match=f'"{key}_file" is not the plain name of a file'):
        _read(data, lambda _: pytest.fail("it was read"))


@pytest.mark.parametrize("key", _SECRETS)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "which is empty"),
        (b" \n", "which is empty"),
        (b"\xff\xfe", "is not text"),
        (b"x" * 70_000, "is larger than"),
        (None, "cannot be read: No such file"),
    ],
)
def test_files_that_do_not_do(key: str, content: bytes | None, said: str) -> None:
    data = _changed(_secret_base(key), **{key: _LEFT_OUT, f"{key}_file": "f"})
    with pytest.raises(UsageError, match=said):
        _read(data, _load_nothing if content is None else lambda _: content)


@pytest.mark.parametrize("key", _SECRETS)
def test_a_text_or_a_file_not_both_and_not_nothing(key: str) -> None:
    base = _secret_base(key)
    with pytest.raises(UsageError, match=f'"{key}_file" stands beside "{key}"'):
        _read(_changed(base, **{key: "x", f"{key}_file": "f"}))
    with pytest.raises(UsageError, match=f'"{key}" is empty'):
        _read(_changed(base, **{key: "  "}))
    for name in (key, f"{key}_file"):
        with pytest.raises(UsageError, match=f'"{name}" is not text'):
            _read(_changed(base, **{key: _LEFT_OUT} | {name: 7}))


@pytest.mark.parametrize(
    ("base", "changes", "said"),
    [
        ({}, {}, '"how" is missing'),
        ({}, {"how": "ftp"}, '"how" is "ftp"'),
        ({}, {"how": 1}, '"how" is not text'),
        (_HTTPS, {"start_timeout_s": 0}, '"start_timeout_s" is 0'),
        (_HTTPS, {"start_timeout_s": -1}, '"start_timeout_s" is -1'),
        (_HTTPS, {"start_timeout_s": 604801}, '"start_timeout_s" is 604801'),
        (_HTTPS, {"start_timeout_s": 1.5}, '"start_timeout_s" is not a whole number'),
        (_HTTPS, {"start_timeout_s": True}, '"start_timeout_s" is not a whole number'),
        (_HTTPS, {"method": "GET"}, '"method" is "GET"'),
        (_HTTPS, {"method": "put"}, '"method" is "put"'),
        (_HTTPS, {"host": "x"}, 'unknown key "host"'),
        (_HTTPS, {"folder": "x"}, 'unknown key "folder"'),
        (_SFTP, {"url": _URL}, 'unknown key "url"'),
        (_SFTP, {"password": "x"}, 'unknown key "password"'),
        ({"how": "stick"}, {"folder": "x"}, 'unknown key "folder"'),
        ({"how": "ssh"}, {"token": "x"}, 'unknown key "token"'),
        ({"how": "none"}, {"url": _URL}, 'unknown key "url"'),
        (_HTTPS, {"url": _LEFT_OUT}, '"url" is missing'),
        (_HTTPS, {"url": 5}, '"url" is not text'),
        (_HTTPS, {"url": "http://a.example/{file}"}, '"url" does not begin with https://'),
        (_HTTPS, {"url": "a.example/{file}"}, '"url" does not begin with https://'),
        (_HTTPS, {"url": "https:///{file}"}, '"url" names no server'),
        (_HTTPS, {"url": "https://a.example:0/{file}"}, '"url" names no server'),
        (_HTTPS, {"url": "https://a.example:99999/{file}"}, '"url" is not a URL'),
        (_HTTPS, {"url": "https://a..b/{file}"}, '"url" is not a URL'),
        (_HTTPS, {"url": f"https://{'a' * 64}.example/{{file}}"}, '"url" is not a URL'),
        (_HTTPS, {"url": "https://[::1/{file}"}, '"url" is not a URL'),
        (_HTTPS, {"url": "https://u:p@a.example/{file}"}, '"url" holds a user name or password'),
        (_HTTPS, {"url": "https://a.example/{file}#x"}, '"url" holds a fragment'),
        (_HTTPS, {"url": "https://a.example/a b/{file}"}, '"url" holds a fragment, a blank'),
        (_HTTPS, {"url": "https://a.example/\u00e4/{file}"}, '"url" holds a fragment, a blank'),
        (_HTTPS, {"url": "https://a.example/\n{file}"}, '"url" holds a fragment, a blank'),
        (_HTTPS, {"url": "https://{hostname}.example/{file}"}, "placeholder in the server's name"),
        (_HTTPS, {"url": "https://a.example/{run_id}"}, '"url" does not hold {file}'),
        (_HTTPS, {"url": "https://a.example/{file}/{serial}"}, '"url" holds "{serial}"'),
        (_HTTPS, {"url": "https://a.example/{file}/{"}, '"url" holds "{"'),
        (_HTTPS, {"urls": _URLS}, '"urls" stands beside "url"'),
        (_PRESIGNED, {"urls": "https://a.example"}, '"urls" is not a table'),
        (_PRESIGNED, {"urls": {}}, '"start.jsonl" is missing'),
        (_PRESIGNED, {"urls": _changed(_URLS, **{"start.jsonl": _LEFT_OUT})}, '"start.jsonl" is missing'),
        (
            _PRESIGNED,
            {"urls": _changed(_URLS, **{"evidence.jsonl": _LEFT_OUT})},
            '"evidence.jsonl" is missing',
        ),
        (
            _PRESIGNED,
            {"urls": _changed(_URLS, **{"certificate.json": _LEFT_OUT})},
            '"certificate.json" is missing',
        ),
        (_PRESIGNED, {"urls": _changed(_URLS, other="https://a.example")}, 'unknown key "other"'),
        (
            _PRESIGNED,
            {"urls": _changed(_URLS, **{"plan.json": "http://a.example"})},
            '"plan.json" does not begin',
        ),
        (_PRESIGNED, {"urls": _changed(_URLS, **{"plan.json": _URLS["start.jsonl"]})}, "shares its URL"),
        (_HTTPS, {"token": "a b"}, '"token" is not a bearer token'),
        (_HTTPS, {"token": "a\r\nX: y"}, '"token" is not a bearer token'),
        (_HTTPS, {"ca": "x"}, '"ca" is not a certificate in PEM'),
        (_HTTPS, {"ca": _CLIENT.key}, '"ca" is not a certificate in PEM'),
        (_HTTPS, {"client_key": _CLIENT.key}, '"client_certificate" is missing'),
        (_HTTPS, {"client_certificate": _CLIENT.certificate}, '"client_key" is missing'),
        (
            _HTTPS,
            {"client_certificate": _CLIENT.certificate, "client_key": _OTHER.key},
            '"client_key" does not belong to the first certificate',
        ),
        (
            _HTTPS,
            {"client_certificate": _CLIENT.certificate, "client_key": "x"},
            '"client_key" is not a private key',
        ),
        (
            _HTTPS,
            {
                "client_certificate": _CLIENT.certificate,
                "client_key": _written(PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
            },
            '"client_key" is encrypted',
        ),
        (_HTTPS, {"headers": "X: y"}, '"headers" is not a table'),
        (_HTTPS, {"headers": {"X": 1}}, '"X" is not text'),
        (_HTTPS, {"headers": {"X Y": "z"}}, '"X Y" is not a header'),
        (_HTTPS, {"headers": {"X": "a\r\nY: b"}}, '"X" is not a header'),
        (_HTTPS, {"headers": {"Host": "other"}}, '"Host" is set by the delivery itself'),
        (_HTTPS, {"headers": {"content-length": "1"}}, '"content-length" is set by the delivery itself'),
        (_HTTPS, {"token": "t", "headers": {"Authorization": "x"}}, '"Authorization" is set by the delivery'),
        (_SFTP, {"host": _LEFT_OUT}, '"host" is missing'),
        (_SFTP, {"host": ""}, '"host" is ""'),
        (_SFTP, {"host": "-oProxyCommand=x"}, '"host" is "-oProxyCommand=x"'),
        (_SFTP, {"host": "-x"}, '"host" is "-x"'),
        (_SFTP, {"host": "h\u00f6st"}, '"host" is "h'),
        (_SFTP, {"host": "a b"}, '"host" is "a b"'),
        (_SFTP, {"user": _LEFT_OUT}, '"user" is missing'),
        (_SFTP, {"user": "a@b"}, '"user" is "a@b"'),
        (_SFTP, {"port": 0}, '"port" is 0'),
        (_SFTP, {"port": 65536}, '"port" is 65536'),
        (_SFTP, {"port": "22"}, '"port" is not a whole number'),
        (_SFTP, {"folder": ""}, '"folder" is not the plain name'),
        (_SFTP, {"folder": "~/x"}, '"folder" is not the plain name'),
        (_SFTP, {"folder": 'a"b'}, '"folder" is not the plain name'),
        (_SFTP, {"folder": "a\nrm x"}, '"folder" is not the plain name'),
        (_SFTP, {"folder": "a*"}, '"folder" is not the plain name'),
        (_SFTP, {"folder": "{file}"}, '"folder" holds "{file}"'),
        (_SFTP, {"key": _LEFT_OUT}, '"key" is missing'),
        (_SFTP, {"key": "x"}, '"key" is not a private key'),
        (_SFTP, {"key": _HOST_KEY}, '"key" is not a private key'),
        (_SFTP, {"key": _written(PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))}, '"key" is encrypted'),
        (
            _SFTP,
            {"key": _written(PrivateFormat.PKCS8, key=Ed448PrivateKey.generate())},
            '"key" is of a kind that SSH does not take',
        ),
        (_SFTP, {"host_key": _LEFT_OUT}, '"host_key" is missing'),
        (_SFTP, {"host_key": "# nothing"}, '"host_key" holds no key'),
        (
            _SFTP,
            {"host_key": f"{_HOST_KEY}\nssh-ed25519 AAAA"},
            '"host_key" holds a line that is no public key',
        ),
        (_SFTP, {"host_key": "SHA256:abcdef"}, '"host_key" holds a line that is no public key'),
    ],
    ids=_name_param,
)
def test_what_is_wrong_is_said(base: dict[str, Any], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        _read(_changed(base, **changes))
    assert said in caught.value.message
    assert caught.value.message.startswith(_WHERE)


def test_no_secret_is_shown() -> None:
    secret = _changed(_HTTPS, token="s3cret", headers={"X-Key": "s3cret"})
    shown = repr((_read(secret), _read(_changed(_SFTP, key=_SSH_KEY)), _read(_PRESIGNED)))
    assert "s3cret" not in shown
    assert "PRIVATE" not in shown
    assert "X-Signature" not in shown
    for base, changes in (
        (_HTTPS, {"token": "s3cret token"}),
        (_SFTP, {"key": "s3cret token"}),
        (_PRESIGNED, {"urls": _changed(_URLS, **{"plan.json": "https://a/?s3cret token"})}),
        (_HTTPS, {"headers": {"X-Key": "s3cret token\n"}, "method": "s"}),
    ):
        with pytest.raises(UsageError) as caught:
            _read(_changed(base, **changes))
        assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"
