"""What a guest delivered, checked on the host: by openssl, by our own command, and against the disks."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.command import Shredder
from tests.support.guest_media import digest, key_stream_digest
from tests.support.machine import run

CERTIFICATE, EVIDENCE, PUBLIC_KEY = "certificate.json", "evidence.jsonl", "public-key.pem"
PLAN, STREAM_KEYS, BUNDLE = "plan.json", "stream-keys.json", "certificate.sigstore.json"
RESULTS = frozenset((CERTIFICATE, EVIDENCE, PUBLIC_KEY, PLAN, STREAM_KEYS, BUNDLE))
VERIFIED = "erased, verified in full"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A folder of the host with what came out of the guest."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, files: Mapping[str, bytes]) -> "Delivered":
        """Write files that came some other way into a fresh folder."""
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return cls(folder)

    @property
    def predicate(self) -> dict[str, Any]:
        """What the certificate says."""
        envelope = json.loads((self.folder / CERTIFICATE).read_bytes())
        said: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
        return said

    @property
    def devices(self) -> dict[str, dict[str, Any]]:
        """What it says of each target, by serial."""
        return {one["identity"]["serial"]: one for one in self.predicate["devices"]}

    @property
    def left_out(self) -> dict[str, dict[str, Any]]:
        """What it says of each disk that was no target, by serial."""
        return {one["serial"]: one for one in self.predicate["left_out"]}

    @property
    def certificate_digest(self) -> str:
        """The SHA-256 that the final screen shows, in lower-case hex."""
        return digest(self.folder / CERTIFICATE)

    def check(self, shredder: Shredder, identity: str, *, expect: int = 0) -> None:
        """Check signature and evidence, by openssl and by our command, and that the image is named.

        Args:
            shredder: runs our command.
            identity: e.g. "shredder image 1.0 sha256:...".
            expect: the exit code that our command must end with.
        """
        self._check_by_openssl()
        trust = ("--trust", self.folder / PUBLIC_KEY)
        shredder("certificate", "verify", self.folder / CERTIFICATE, *trust, expect=expect)
        assert self.predicate["host"]["image"] == identity

    def check_disk(self, serial: str, file: Path) -> None:
        """Compare a disk with the key stream that the certificate says its last pass left there."""
        device = self.devices[serial]
        assert device["verdict"] == VERIFIED, device["problems"]
        keys = json.loads((self.folder / STREAM_KEYS).read_bytes())["devices"]
        key_hex = next(one["keys_hex"][-1] for one in keys if one["path"] == device["path"])
        assert hashlib.sha256(bytes.fromhex(key_hex)).hexdigest() == device["passes"][-1]["key_sha256"]
        size_bytes = file.stat().st_size
        assert int(device["identity"]["size_bytes"]) == size_bytes
        assert digest(file) == key_stream_digest(key_hex, size_bytes)

    def _check_by_openssl(self) -> None:
        envelope = json.loads((self.folder / CERTIFICATE).read_bytes())
        payload = base64.b64decode(envelope["payload"])
        kind = envelope["payloadType"].encode()
        signed = self.folder.with_suffix(".signed")
        signed.write_bytes(b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload))
        signature = self.folder.with_suffix(".signature")
        signature.write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        key = self.folder / PUBLIC_KEY
        said = run("openssl", "dgst", "-sha256", "-verify", key, "-signature", signature, signed)
        assert said.strip() == "Verified OK"
        subject = json.loads(payload)["subject"][0]
        assert subject["digest"]["sha256"] == digest(self.folder / subject["name"])
