"""The lines that `certificate show` prints check a certificate with openssl, without any code of ours."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shredder.certify.envelope import pae, read_envelope
from shredder.certify.keys import PrivateKey, private_pem, public_pem
from shredder.certify.render import render_text
from tests.unit.certify_builders import certify, ed25519_key, good_run, make_plan, p256_key, state

HAPPENED = good_run(make_plan())
STRANGER = p256_key(7)

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(params=[p256_key(), ed25519_key()], ids=["P-256", "Ed25519"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.param
    return found


@pytest.fixture
def folder(tmp_path: Path, key: PrivateKey) -> Path:
    certificate, evidence = certify(HAPPENED, key)
    (tmp_path / "certificate.json").write_bytes(certificate)
    (tmp_path / "evidence.jsonl").write_bytes(evidence)
    (tmp_path / "public-key.pem").write_bytes(public_pem(key.public_key()))
    return tmp_path


def printed_lines(key: PrivateKey) -> list[str]:
    """What a person copies from `certificate show`."""
    text = render_text(state(HAPPENED), key_id="", signer="", is_ed25519=isinstance(key, Ed25519PrivateKey))
    lines = text.partition("how to check the signature")[2].splitlines()[1:]
    return [line.strip() for line in lines]


def follow(lines: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-e"],
        input="\n".join(lines),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_the_printed_lines_verify_a_genuine_certificate(folder: Path, key: PrivateKey) -> None:
    done = follow(printed_lines(key), folder)
    assert done.returncode == 0, done.stderr
    assert "Verified OK" in done.stdout or "Signature Verified Successfully" in done.stdout
    payload = (folder / "statement.json").read_bytes()
    assert (folder / "statement.pae").read_bytes() == pae("application/vnd.in-toto+json", payload)
    assert read_envelope((folder / "certificate.json").read_bytes()).payload == payload
    digest = hashlib.sha256((folder / "evidence.jsonl").read_bytes()).hexdigest()
    assert digest in done.stdout
    assert json.loads(payload)["subject"][0]["digest"]["sha256"] == digest


def test_the_printed_lines_fail_for_another_key(folder: Path, key: PrivateKey) -> None:
    other = STRANGER if not isinstance(key, Ed25519PrivateKey) else Ed25519PrivateKey.generate()
    (folder / "public-key.pem").write_bytes(public_pem(other.public_key()))
    done = follow(printed_lines(key), folder)
    assert done.returncode != 0
    assert "Verified OK" not in done.stdout
    assert "Signature Verified Successfully" not in done.stdout


def test_the_printed_lines_fail_for_a_changed_statement(folder: Path, key: PrivateKey) -> None:
    path = folder / "certificate.json"
    data = path.read_bytes()
    at = len(data) // 2
    changed = b"A" if data[at : at + 1] != b"A" else b"B"
    path.write_bytes(data[:at] + changed + data[at + 1 :])
    assert follow(printed_lines(key), folder).returncode != 0


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_openssl_reads_the_private_key(tmp_path: Path, key: PrivateKey, passphrase: bytes | None) -> None:
    (tmp_path / "key.pem").write_bytes(private_pem(key, passphrase))
    words = ["openssl", "pkey", "-in", "key.pem", "-pubout"]
    words += ["-passin", f"pass:{passphrase.decode()}"] if passphrase else []
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True, timeout=30)
    assert done.stdout == public_pem(key.public_key())
