"""Verifiers that others wrote accept our certificates, and reject them where something was changed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shredder.certify.envelope import read_envelope, to_bundle
from shredder.certify.keys import PrivateKey, key_id, public_pem
from tests.unit.certify_builders import certify, ed25519_key, good_run, make_plan, p256_key

pytestmark = pytest.mark.long

HAPPENED = good_run(make_plan())
STRANGER = p256_key(7)
_MODULES = ("@sigstore/bundle@4.0.0", "@sigstore/verify@3.1.1")
_VERIFY = """
const { createPublicKey } = require('crypto');
const { readFileSync } = require('fs');
const { bundleFromJSON } = require('@sigstore/bundle');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');
const [bundleFile, keyFile, hint] = process.argv.slice(2);
const root = { tlogs: [], ctlogs: [], certificateAuthorities: [], timestampAuthorities: [] };
const trust = toTrustMaterial(root, (asked) => {
  if (asked !== hint) throw new Error(`asked for key ${asked}`);
  return { publicKey: createPublicKey(readFileSync(keyFile)), validFor: () => true };
});
const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
verifier.verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(bundleFile, 'utf8')))));
console.log('verified');
"""


@pytest.fixture(params=[p256_key(), ed25519_key()], ids=["P-256", "Ed25519"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.param
    return found


def change_payload(record: dict[str, Any]) -> dict[str, Any]:
    at = len(record["payload"]) // 2
    changed = "A" if record["payload"][at] != "A" else "B"
    return {**record, "payload": record["payload"][:at] + changed + record["payload"][at + 1 :]}


def test_securesystemslib(key: PrivateKey) -> None:
    why = "securesystemslib is not installed (pip install 'securesystemslib[crypto]>=1.6')"
    dsse = pytest.importorskip("securesystemslib.dsse", reason=why)
    signer = pytest.importorskip("securesystemslib.signer", reason=why)
    exceptions = pytest.importorskip("securesystemslib.exceptions", reason=why)
    certificate, _ = certify(HAPPENED, key)
    ours = signer.SSlibKey.from_crypto(key.public_key(), keyid=key_id(key.public_key()))
    accepted = dsse.Envelope.from_dict(json.loads(certificate)).verify([ours], 1)
    assert list(accepted) == [key_id(key.public_key())]
    with pytest.raises(exceptions.VerificationError):
        dsse.Envelope.from_dict(change_payload(json.loads(certificate))).verify([ours], 1)
    posing = signer.SSlibKey.from_crypto(STRANGER.public_key(), keyid=key_id(key.public_key()))
    with pytest.raises(exceptions.VerificationError):
        dsse.Envelope.from_dict(json.loads(certificate)).verify([posing], 1)


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sigstore's own verifier in it."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("node and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    (folder / "verify.js").write_text(_VERIFY)
    words = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *_MODULES]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"npm could not install sigstore's verifier: {done.stderr.strip()[-300:]}")
    return folder


def run_sigstore(folder: Path, bundle: dict[str, Any], key: PrivateKey, hint: str) -> tuple[int, str]:
    (folder / "bundle.json").write_text(json.dumps(bundle))
    (folder / "key.pem").write_bytes(public_pem(key.public_key()))
    words = ["node", "verify.js", "bundle.json", "key.pem", hint]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_sigstore(node_folder: Path, key: PrivateKey) -> None:
    bundle = to_bundle(read_envelope(certify(HAPPENED, key)[0]))
    hint = key_id(key.public_key())
    code, said = run_sigstore(node_folder, bundle, key, hint)
    assert (code, said.strip()) == (0, "verified")
    changed = {**bundle, "dsseEnvelope": change_payload(bundle["dsseEnvelope"])}
    for broken, with_key in ((changed, key), (bundle, STRANGER)):
        code, said = run_sigstore(node_folder, broken, with_key, hint)
        assert code != 0
        assert "signature verification failed" in said
