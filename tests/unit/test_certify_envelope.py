"""Keys, envelope and trust: what is genuine holds, and nothing that was touched does."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from shredder.certify.envelope import (
    envelope_bytes,
    pae,
    read_envelope,
    sign,
    to_bundle,
    verify,
)
from shredder.certify.findings import RunReport, Verdict
from shredder.certify.keys import (
    PrivateKey,
    PublicKey,
    key_id,
    load_private_key,
    load_public_key,
    needs_passphrase,
    new_key,
    private_pem,
    public_pem,
)
from shredder.certify.statement import statement_bytes
from shredder.certify.trust import Checked, check_certificate, find_evidence_name
from shredder.errors import CertificateError, ExitCode, UsageError
from shredder.events import Recorded, RunEnded, VerifyEnded
from shredder.ranges import Range
from tests.unit.certify_builders import (
    EVIDENCE_NAME,
    certify,
    ed25519_key,
    good_run,
    make_plan,
    p256_key,
    state,
)

HAPPENED = good_run(make_plan())
KEY = p256_key()
TRUSTED = KEY.public_key()
STRANGER = p256_key(7)
CERTIFICATE, EVIDENCE = certify(HAPPENED, KEY)
LINES = EVIDENCE.splitlines(keepends=True)
MISMATCHED = [
    replace(event, mismatches=(Range(0, 512),)) if isinstance(event, VerifyEnded) else event
    for event in HAPPENED
]


def check(certificate: bytes, evidence: bytes | None, key: PublicKey | None = TRUSTED) -> Checked:
    return check_certificate(certificate, evidence, key)


def sign_statement(statement: dict[str, object], key: PrivateKey = KEY) -> bytes:
    return envelope_bytes(sign(statement_bytes(statement), key))


# Keys


@pytest.mark.parametrize("key", [KEY, ed25519_key()], ids=["P-256", "Ed25519"])
@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_keys_round_trip(key: PrivateKey, passphrase: bytes | None) -> None:
    data = private_pem(key, passphrase)
    assert needs_passphrase(data) == (passphrase is not None)
    assert key_id(load_private_key(data, passphrase).public_key()) == key_id(key.public_key())
    assert key_id(load_public_key(public_pem(key.public_key()))) == key_id(key.public_key())


def test_der_is_taken_too() -> None:
    secret = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert not needs_passphrase(secret)
    assert key_id(load_private_key(secret).public_key()) == key_id(TRUSTED)
    public = TRUSTED.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key_id(load_public_key(public)) == key_id(TRUSTED)


def test_new_keys_differ_and_are_p256() -> None:
    first, second = new_key(), new_key()
    assert isinstance(first.curve, ec.SECP256R1)
    assert key_id(first.public_key()) != key_id(second.public_key())


def test_the_key_id_is_pinned() -> None:
    assert key_id(TRUSTED) == "9e80945f2a35388468a49ffe9ec3339f968a13c981ffbea4279cfda93541d6f7"


HOLLOW = b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
LOCKED = private_pem(KEY, b"correct horse")
OTHER_CURVE = ec.derive_private_key(7, ec.SECP384R1())
RSA = rsa.generate_private_key(65537, 2048)


def plain_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("data", "passphrase", "told"),
    [
        (LOCKED, None, "is encrypted, and no passphrase was given"),
        (LOCKED, b"wrong", "with this passphrase"),
        (private_pem(KEY), b"needless", "takes no passphrase"),
        (b"", None, "no private key can be read"),
        (b"text", None, "no private key can be read"),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            None,
            "no private key can be read",
        ),
        (public_pem(TRUSTED), None, "no private key can be read"),
        (plain_pem(OTHER_CURVE), None, "of a kind that is not taken"),
        (plain_pem(RSA), None, "of a kind that is not taken"),
    ],
)
def test_private_keys_that_do_not_serve_are_told(data: bytes, passphrase: bytes | None, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        load_private_key(data, passphrase)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "no public key"),
        (HOLLOW, "no public key"),
        (private_pem(KEY), "no public key"),
        (OTHER_CURVE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "not taken"),
        (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "not taken"),
    ],
)
def test_public_keys_that_do_not_serve_are_told(data: bytes, told: str) -> None:
    with pytest.raises(CertificateError, match=told):
        load_public_key(data)


def test_what_is_no_key_needs_no_passphrase() -> None:
    assert not needs_passphrase(b"text")
    assert needs_passphrase(LOCKED)


# Envelope


def test_the_encoding_that_is_signed_is_that_of_the_specification() -> None:
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("", b"") == b"DSSEv1 0  0 "
    assert pae("ä", b"\n") == b"DSSEv1 2 \xc3\xa4 1 \n"  # lengths are of bytes


@pytest.mark.parametrize("key", [KEY, ed25519_key()], ids=["P-256", "Ed25519"])
def test_what_is_signed_verifies_and_reads_back(key: PrivateKey) -> None:
    envelope = sign(b"payload", key)
    assert read_envelope(envelope_bytes(envelope)) == envelope
    assert verify(envelope, key.public_key()) == b"payload"
    assert envelope.keyid == key_id(key.public_key())


def test_another_key_is_told_from_a_changed_payload() -> None:
    envelope = sign(b"payload", KEY)
    with pytest.raises(CertificateError, match="another key"):
        verify(envelope, STRANGER.public_key())
    with pytest.raises(CertificateError, match="not valid"):
        verify(replace(envelope, payload=b"Payload"), TRUSTED)
    with pytest.raises(CertificateError, match="not valid"):
        verify(replace(envelope, signature=b""), TRUSTED)
    with pytest.raises(CertificateError, match="not valid"):
        verify(replace(envelope, keyid=key_id(STRANGER.public_key())), STRANGER.public_key())
    ours = ed25519_key().public_key()
    with pytest.raises(CertificateError, match="not valid"):
        verify(replace(envelope, keyid=key_id(ours)), ours)


def record(**changes: object) -> bytes:
    envelope = json.loads(CERTIFICATE)
    return json.dumps({**envelope, **changes}, sort_keys=True, separators=(",", ":")).encode() + b"\n"


SIGNATURE = json.loads(CERTIFICATE)["signatures"][0]


def test_the_table_below_changes_what_was_valid() -> None:
    assert record() == CERTIFICATE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        CERTIFICATE[:-1],
        CERTIFICATE + b"\n",
        CERTIFICATE[: len(CERTIFICATE) // 2],
        json.dumps(json.loads(CERTIFICATE)).encode(),
        record(more=1),
        record(payload=7),
        record(payload="not base64!"),
        record(payload="AAAA\n"),
        record(payload="AB=="),  # bits are set that no byte takes
        record(payload="AA-_"),
        record(payload="ä"),
        record(payloadType="application/json"),
        record(signatures=[]),
        record(signatures=[SIGNATURE, SIGNATURE]),
        record(signatures=SIGNATURE),
        record(signatures=[{**SIGNATURE, "more": 1}]),
        record(signatures=[{"sig": SIGNATURE["sig"]}]),
        record(signatures=[{**SIGNATURE, "keyid": None}]),
        record(signatures=[{**SIGNATURE, "keyid": "\ud800"}]),
        CERTIFICATE.replace(b'"payload":', b'"payload":"","payload":', 1),
    ],
)
def test_what_is_not_as_it_was_written_is_rejected(data: bytes) -> None:
    with pytest.raises(CertificateError):
        read_envelope(data)


def test_the_bundle_holds_the_same_envelope() -> None:
    bundle = to_bundle(read_envelope(CERTIFICATE))
    assert bundle["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": key_id(TRUSTED)}}
    assert bundle["dsseEnvelope"] == json.loads(CERTIFICATE)


# Trust


def test_a_genuine_certificate_holds() -> None:
    checked = check(CERTIFICATE, EVIDENCE)
    assert checked.trusted
    assert checked.notes == ()
    assert checked.key_id == key_id(TRUSTED)
    assert not checked.is_ed25519
    assert checked.report.exit_code is ExitCode.DONE
    assert checked.statement == state(HAPPENED)
    assert [entry.event for entry in checked.entries] == HAPPENED
    assert find_evidence_name(CERTIFICATE) == EVIDENCE_NAME


def test_an_ed25519_certificate_holds() -> None:
    certificate, evidence = certify(HAPPENED, ed25519_key())
    checked = check(certificate, evidence, ed25519_key().public_key())
    assert checked.is_ed25519
    assert checked.report.complete


@pytest.mark.parametrize(
    ("happened", "verdict", "exit_code"),
    [
        (MISMATCHED, Verdict.MISMATCH, ExitCode.MISMATCH),
        (HAPPENED[:-1], Verdict.INTERRUPTED, ExitCode.INTERRUPTED),
        ([*HAPPENED[:-1], RunEnded(True)], Verdict.VERIFIED_IN_FULL, ExitCode.INTERRUPTED),
        ([HAPPENED[0], HAPPENED[-1]], Verdict.NOT_ATTEMPTED, ExitCode.INCOMPLETE),
    ],
)
def test_a_genuine_certificate_of_a_failed_run_says_so(
    happened: list[Recorded], verdict: Verdict, exit_code: ExitCode
) -> None:
    checked = check(*certify(happened, KEY))
    assert checked.trusted
    assert isinstance(checked.report, RunReport)
    assert checked.report.devices[0].verdict is verdict
    assert checked.report.exit_code is exit_code


def test_integrity_alone_establishes_no_signer() -> None:
    checked = check_certificate(CERTIFICATE, EVIDENCE, None, integrity_only=True, found_key=TRUSTED)
    assert not checked.trusted
    assert checked.notes == ("signer not established",)
    assert checked.report.complete


def test_a_trusted_key_is_used_even_where_integrity_would_do() -> None:
    with pytest.raises(CertificateError, match="another key"):
        check_certificate(
            CERTIFICATE, EVIDENCE, STRANGER.public_key(), integrity_only=True, found_key=TRUSTED
        )


def test_something_to_trust_by_is_needed() -> None:
    with pytest.raises(CertificateError, match="nothing was given to trust") as caught:
        check_certificate(CERTIFICATE, EVIDENCE, None, found_key=TRUSTED)
    assert caught.value.hint is not None
    assert "--trust" in caught.value.hint
    with pytest.raises(CertificateError, match="public key is not there"):
        check_certificate(CERTIFICATE, EVIDENCE, None, integrity_only=True)


def test_the_wrong_key_is_told() -> None:
    with pytest.raises(CertificateError, match="another key"):
        check(CERTIFICATE, EVIDENCE, STRANGER.public_key())
    with pytest.raises(CertificateError, match="another key"):
        check_certificate(CERTIFICATE, EVIDENCE, None, integrity_only=True, found_key=STRANGER.public_key())


def test_missing_evidence_is_asked_for_by_name() -> None:
    with pytest.raises(CertificateError, match=r"evidence\.jsonl is missing"):
        check(CERTIFICATE, None)


def flip(data: bytes, at: int, mask: int) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


@given(st.integers(0, len(CERTIFICATE) - 1), st.integers(1, 255))
@settings(max_examples=400)
def test_no_byte_of_the_certificate_can_change(at: int, mask: int) -> None:
    with pytest.raises(CertificateError):
        check(flip(CERTIFICATE, at, mask), EVIDENCE)


@given(st.integers(0, len(EVIDENCE) - 1), st.integers(1, 255))
@settings(max_examples=100)
def test_no_byte_of_the_evidence_can_change(at: int, mask: int) -> None:
    with pytest.raises(CertificateError):
        check(CERTIFICATE, flip(EVIDENCE, at, mask))


@pytest.mark.parametrize("mask", [1, 0x20, 0x80])
def test_no_byte_of_the_last_signature_characters_can_change(mask: int) -> None:
    """The tail holds keyid and signature, where two spellings of one value would hide."""
    for at in range(len(CERTIFICATE) - 230, len(CERTIFICATE)):
        with pytest.raises(CertificateError):
            check(flip(CERTIFICATE, at, mask), EVIDENCE)


Edit = Callable[[list[bytes]], list[bytes]]


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: lines[:-1],
        lambda lines: lines[:-2],
        lambda lines: lines[1:],
        lambda lines: [*lines[:3], *lines[4:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:3], lines[2], *lines[3:]],
        lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
        lambda lines: lines[::-1],
        lambda lines: [*lines[:-1], lines[-1][:-1]],
        lambda lines: [*lines[:-1], lines[-1][:20]],
        lambda lines: [],
    ],
    ids=["end", "tail", "head", "one", "twice", "inner twice", "swap", "reverse", "newline", "cut", "all"],
)
def test_no_line_of_the_evidence_can_go_or_move(edit: Edit) -> None:
    data = b"".join(edit(LINES))
    with pytest.raises(CertificateError, match="not the evidence that"):
        check(CERTIFICATE, data)


def test_evidence_made_anew_does_not_fit_the_signed_digest() -> None:
    _, prettier = certify(HAPPENED, KEY)
    failed_certificate, _ = certify(MISMATCHED, KEY)
    with pytest.raises(CertificateError, match="not the evidence that"):
        check(failed_certificate, prettier)


def test_a_statement_signed_by_another_key_is_not_trusted() -> None:
    certificate, evidence = certify(HAPPENED, STRANGER)
    with pytest.raises(CertificateError, match="another key"):
        check(certificate, evidence)
    renamed = replace(read_envelope(certificate), keyid=key_id(TRUSTED))
    with pytest.raises(CertificateError, match="not valid"):
        check(envelope_bytes(renamed), evidence)
    assert not check_certificate(
        certificate, evidence, None, integrity_only=True, found_key=STRANGER.public_key()
    ).trusted


def test_a_statement_that_says_more_than_its_evidence_does_not_hold_even_when_signed() -> None:
    failed = state(MISMATCHED)
    _, evidence = certify(MISMATCHED, KEY)
    prettier = {**failed, "predicate": state(HAPPENED)["predicate"]}
    for statement in (prettier, {**failed, "predicate": {**failed["predicate"], "headline": "complete"}}):
        with pytest.raises(CertificateError, match="does not say what its evidence says"):
            check(sign_statement(statement), evidence)
    assert check(sign_statement(failed), evidence).report.exit_code is ExitCode.MISMATCH


def test_a_payload_in_another_form_does_not_hold_even_when_signed() -> None:
    spaced = json.dumps(state(HAPPENED), indent=1).encode()
    with pytest.raises(CertificateError, match="does not say what its evidence says"):
        check(envelope_bytes(sign(spaced, KEY)), EVIDENCE)


def test_evidence_out_of_order_does_not_hold_even_when_signed() -> None:
    statement = state(HAPPENED)
    swapped = EVIDENCE.replace(b'"pass-started"', b'"pass-ended"', 1)
    digest = hashlib.sha256(swapped).hexdigest()
    statement["subject"][0]["digest"]["sha256"] = digest
    with pytest.raises(CertificateError, match="line 3"):
        check(sign_statement(statement), swapped)


@pytest.mark.parametrize("name", ["../evidence.jsonl", "a/b", "/etc/shadow", ".."])
def test_names_that_leave_the_folder_are_refused(name: str) -> None:
    statement = state(HAPPENED)
    statement["subject"][0]["name"] = name
    certificate = sign_statement(statement)
    with pytest.raises(CertificateError, match="more than a file name"):
        find_evidence_name(certificate)
    with pytest.raises(CertificateError, match="more than a file name"):
        check(certificate, EVIDENCE)


def test_a_payload_of_another_kind_is_no_certificate() -> None:
    with pytest.raises(CertificateError, match="in-toto"):
        check(envelope_bytes(sign(b"{}", KEY)), EVIDENCE)


def test_the_payload_is_readable_base64() -> None:
    assert json.loads(base64.b64decode(json.loads(CERTIFICATE)["payload"])) == state(HAPPENED)
