"""The list of parts: every Debian package and wheel of an image, as a CycloneDX 1.6 document.

Sources: CycloneDX 1.6 (ECMA-424, first edition); package URLs (ECMA-427) of the types deb and pypi.
"""

import json
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shredder.discover.recovery_image import ImageIdentity
from shredder.image.lock import Lock, LockedPackage, LockedWheel
from shredder.records import digest

_SPECIFICATION = "1.6"
_SUITE = "trixie"
# names this kind of document among all that a UUID may be derived for (RFC 9562, 5.5)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "shredder-recovery-image.invalid")


def make_sbom(lock: Lock, identity: ImageIdentity, epoch_s: int, output: Path) -> None:
    """Write the list of parts; the same input gives the same bytes.

    Args:
        lock: the packages and wheels that are in the image.
        identity: the image that they are in.
        epoch_s: the date of the document, in seconds since 1970.
        output: the file.
    """
    text = json.dumps(_describe(lock, identity, epoch_s), indent=2, ensure_ascii=False)
    output.write_text(f"{text}\n", encoding="utf-8")


def _describe(lock: Lock, identity: ImageIdentity, epoch_s: int) -> dict[str, Any]:
    tool = {"type": "application", "bom-ref": "shredder", "name": "shredder", "version": identity.version}
    parts = [tool, *map(_describe_package, lock.packages), *map(_describe_wheel, lock.wheels)]
    image = _describe_image(identity)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": _SPECIFICATION,
        "serialNumber": uuid.uuid5(_NAMESPACE, digest([image, parts, epoch_s])).urn,
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": image,
        },
        "components": parts,
        "dependencies": [{"ref": "image", "dependsOn": [part["bom-ref"] for part in parts]}],
    }


def _describe_image(identity: ImageIdentity) -> dict[str, Any]:
    return {
        "type": "operating-system",
        "bom-ref": "image",
        "name": "shredder recovery image",
        "version": identity.version,
        "properties": [{"name": "shredder:image:digest", "value": f"sha256:{identity.digest}"}],
    }


def _describe_package(package: LockedPackage) -> dict[str, Any]:
    name, version = quote(package.name, safe=""), quote(package.version, safe=":")
    purl = f"pkg:deb/debian/{name}@{version}?arch={package.architecture}&distro={_SUITE}"
    groups = [{"name": "shredder:image:group", "value": str(group)} for group in package.groups]
    return {**_describe_part(package, purl), "properties": groups}


def _describe_wheel(wheel: LockedWheel) -> dict[str, Any]:
    name = re.sub(r"[-_.]+", "-", wheel.name).lower()
    return _describe_part(wheel, f"pkg:pypi/{name}@{quote(wheel.version, safe='')}")


def _describe_part(part: LockedPackage | LockedWheel, purl: str) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": purl,
        "name": part.name,
        "version": part.version,
        "hashes": [{"alg": "SHA-256", "content": part.sha256}],
        "purl": purl,
        "externalReferences": [{"type": "distribution", "url": part.url}],
    }
