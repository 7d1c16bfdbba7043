"""The configuration: what it means, that every mistake is an error, and that the examples are none."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from shredder.certify.keys import key_id, load_private_key, private_pem
from shredder.decommission.autopilot.configuration import AtEnd, Configuration, read_configuration
from shredder.decommission.autopilot.network_settings import AUTOMATIC
from shredder.decommission.delivery.settings import (
    HttpsDelivery,
    NoDelivery,
    SftpDelivery,
    SshDelivery,
    StickDelivery,
)
from shredder.errors import UsageError
from shredder.model import RefusalKind, VerifyKind

_EXAMPLES = Path(__file__).parents[2] / "recovery-image" / "examples"
_KEY = ec.generate_private_key(ec.SECP256R1())
_PEM = private_pem(_KEY).decode()
_NONE = '[delivery]\nhow = "none"\n'
_BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


def _make_certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a CA")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, _KEY.public_key(), 1, begins, begins + timedelta(days=1))
    return builder.sign(_KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def _load(name: str) -> bytes:
    openssh = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    )
    files = {
        "signing-key.pem": _PEM.encode(),
        "upload-key": openssh,
        "ca.pem": _make_certificate(),
        "token": b"secret\n",
    }
    if name not in files:
        raise FileNotFoundError(2, "No such file or directory")
    return files[name]


def _read(text: str) -> Configuration:
    return read_configuration(text, "autopilot.toml", _load)


def test_an_empty_configuration_wipes_nothing() -> None:
    configuration = _read("")
    assert configuration.targets == ()
    assert not configuration.all_disks
    assert configuration.delivery is None
    assert configuration.at_end is AtEnd.STAY
    assert configuration.countdown_s == 30
    assert configuration.network == AUTOMATIC
    assert configuration.ssh_keys == ()
    assert configuration.key is None


def test_every_key_is_taken() -> None:
    configuration = _read(
        f"""
        targets = ["serial:A 1", "wwn:0x5", "/dev/disk/by-id/x", "/dev/disk/by-path/y"]
        method = "random"
        passes = 3
        verify = "sampled"
        nonce = "C0FFEE"
        allow = ["member", "open"]
        countdown_s = 0
        at_end = "reboot"
        key = '''{_PEM}'''
        [certificate]
        organisation = "Example Ltd"
        [certificate.property_numbers]
        "A 1" = "INV-1"
        [delivery]
        how = "none"
        [ssh]
        keys = ["ssh-ed25519 {_BLOB} me"]
        """
    )
    assert configuration.targets == ("serial:A 1", "wwn:0x5", "/dev/disk/by-id/x", "/dev/disk/by-path/y")
    assert configuration.request.count == 3
    assert configuration.request.verify is VerifyKind.SAMPLED
    assert configuration.request.nonce_hex == "c0ffee"
    assert configuration.request.allow == {RefusalKind.MEMBER, RefusalKind.OPEN}
    assert configuration.countdown_s == 0
    assert configuration.at_end is AtEnd.REBOOT
    assert configuration.key is not None
    assert key_id(configuration.key.public_key()) == key_id(_KEY.public_key())
    assert configuration.profile.organisation == "Example Ltd"
    assert configuration.profile.property_numbers == {"A 1": "INV-1"}
    assert isinstance(configuration.delivery, NoDelivery)
    assert configuration.ssh_keys == (f"ssh-ed25519 {_BLOB} me",)


def test_the_key_is_never_shown() -> None:
    assert "PrivateKey" not in repr(_read(f"key = '''{_PEM}'''"))


def test_all_is_a_word_of_its_own() -> None:
    assert _read(f'targets = "all"\n{_NONE}').all_disks
    with pytest.raises(UsageError, match="may mean another disk tomorrow"):
        _read(f'targets = ["all"]\n{_NONE}')


_ENCRYPTED = _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("target = 'all'", 'unknown key "target"'),
        ("[delivery", "is not valid TOML"),
        ("targets = 'all'", r"no \[delivery\] says where the certificate goes"),
        (f"targets = 'sda'\n{_NONE}", "neither a list of names nor the word all"),
        (f"targets = true\n{_NONE}", '"targets" is not'),
        (f"targets = []\n{_NONE}", '"targets" is empty'),
        (f"targets = ['/dev/sda']\n{_NONE}", "/dev/sda.*may mean another disk tomorrow"),
        (f"targets = ['/dev/disk/by-uuid/1']\n{_NONE}", "may mean another disk tomorrow"),
        (f"targets = ['serial:']\n{_NONE}", "may mean another disk tomorrow"),
        (f"targets = ['serial:A', 'serial:A']\n{_NONE}", "names something twice"),
        ("method = 'magic'", "autopilot.toml: .*magic"),
        ("method = 'zero'\npasses = 2", "autopilot.toml: "),
        ("method = 'is5-baseline'\nverify = 'none'", "includes verification"),
        ("passes = 0", "autopilot.toml: "),
        ("passes = true", '"passes" is not a whole number'),
        ("verify = 'maybe'", '"verify" is "maybe"'),
        ("nonce = 'xyz'", '"nonce" is not made of hex digits'),
        ("allow = ['everything']", 'holds "everything", which is no kind of refusal'),
        ("allow = ['mount']", '"mount" cannot be lifted'),
        ("countdown_s = -1", '"countdown_s" is not between'),
        ("countdown_s = 86401", '"countdown_s" is not between'),
        ("countdown_s = '30'", '"countdown_s" is not a whole number'),
        ("at_end = 'explode'", '"at_end" is "explode"'),
        ("key = 'abc'", "no private key can be read"),
        (f"key = '''{_ENCRYPTED}'''", "is encrypted"),
        (f"key_file = 'signing-key.pem'\nkey = '''{_PEM}'''", 'stands beside "key"'),
        ("key_file = 'missing'", "missing, which cannot be read: No such file"),
        ("key_file = '../etc/shadow'", "not the plain name of a file"),
        ("[certificate]\norganization = 'x'", 'unknown key "organization"'),
        ("[delivery]\nhow = 'pigeon'", '"how" is "pigeon"'),
        ("[delivery]\nhow = 'none'\nurl = 'x'", 'unknown key "url"'),
        ("[delivery]\nhow = 'ssh'", r"delivery by ssh needs \[ssh\] with keys"),
        ("[ssh]\nkeys = 'one'", '"keys" is not a list of texts'),
        ("[ssh]\nkeys = ['not a key']", "is no public key"),
        ("[ssh]\nkeys = ['ssh-ed25519 AAAA']", "is no public key"),
        (f"[ssh]\nkeys = ['ssh-rsa {_BLOB}']", "is no public key"),
        (f"[ssh]\nkeys = ['command=\"x\" ssh-ed25519 {_BLOB}']", "is no public key"),
        (f'[ssh]\nkeys = ["ssh-ed25519 {_BLOB} a\\nssh-ed25519 {_BLOB}"]', "is no public key"),
        ("[ssh]\nport = 22", 'unknown key "port"'),
        ("[network]\ndhcp = true", 'unknown key "dhcp"'),
        ("[network]\ndns = ['one']", 'holds "one", which is not an IP address'),
        ("[[network.interface]]\nmac = '52:54:00:12:34:56'", '"addresses" is missing'),
        ("[[network.interface]]\ndhcp = true", '"name" must be given'),
        ("[[network.interface]]\nname='e'\nmac='52:54:00:12:34:56'\ndhcp=true", '"name" must be given'),
        ("[[network.interface]]\nmac='52-54'\ndhcp=true", "is not written as 52:54"),
        ("[[network.interface]]\nname='../x'\ndhcp=true", "is no name of an interface"),
        ("[[network.interface]]\nname='e'\naddresses=['192.0.2.1']", "with its prefix length"),
        ("[[network.interface]]\nname='e'\naddresses=['192.0.2.1/33']", "with its prefix length"),
        ("[[network.interface]]\nname='e'\naddresses=['192.0.2.1/24']\ndhcp=true", "beside an IPv4 address"),
        (
            "[[network.interface]]\nname='e'\naddresses=['192.0.2.9/24']\ngateways=['192.0.2.1','192.0.2.2']",
            "two of the same kind",
        ),
        ("[[network.interface]]\nname='e'\ndhcp=true\nvlan=7", 'unknown key "vlan"'),
    ],
)
def test_every_mistake_is_an_error_that_names_its_place(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        _read(text)
    assert caught.value.message.startswith("autopilot.toml")


def test_static_addresses() -> None:
    (interface,) = _read(
        """
        [network]
        dns = ["192.0.2.53", "2001:DB8::53"]
        [[network.interface]]
        mac = "52:54:00:AB:CD:EF"
        addresses = ["192.0.2.10/32", "2001:db8::10/64"]
        gateways = ["192.0.2.1", "fe80::1"]
        on_link = true
        """
    ).network.interfaces
    assert interface.mac == "52:54:00:ab:cd:ef"
    assert interface.addresses == ("192.0.2.10/32", "2001:db8::10/64")
    assert interface.gateways == ("192.0.2.1", "fe80::1")
    assert interface.on_link
    assert not interface.dhcp


_MEANT = {
    "vps": (True, HttpsDelivery, AtEnd.POWEROFF),
    "dedicated-server": (False, SftpDelivery, AtEnd.POWEROFF),
    "rack-by-stick": (True, StickDelivery, AtEnd.POWEROFF),
    "fetch-by-ssh": (False, SshDelivery, AtEnd.STAY),
    "presigned-urls": (True, HttpsDelivery, AtEnd.POWEROFF),
    "dialogue": (False, SshDelivery, AtEnd.STAY),
}


def test_every_example_is_tested() -> None:
    assert {path.stem for path in _EXAMPLES.glob("*.toml")} == _MEANT.keys()


@pytest.mark.parametrize("name", _MEANT)
def test_the_examples_can_be_read(name: str) -> None:
    configuration = _read((_EXAMPLES / f"{name}.toml").read_text(encoding="utf-8"))
    all_disks, delivery, at_end = _MEANT[name]
    assert configuration.all_disks is all_disks
    assert isinstance(configuration.delivery, delivery)
    assert configuration.at_end is at_end
    assert bool(configuration.targets) is (name != "dialogue")


def test_an_example_signs_with_its_key() -> None:
    configuration = _read((_EXAMPLES / "dedicated-server.toml").read_text(encoding="utf-8"))
    assert configuration.key is not None
    wanted = load_private_key(_PEM.encode())
    assert key_id(configuration.key.public_key()) == key_id(wanted.public_key())
