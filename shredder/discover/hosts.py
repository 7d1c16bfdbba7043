"""The machine, as the certificate names it. Pure."""

from shredder.discover.snapshot import RawHost, Snapshot
from shredder.model import Fact, Host, Unavailable

_PLACEHOLDERS = frozenset(
    (
        "", "none", "default string", "not specified", "not applicable", "unknown", "o.e.m.", "n/a",
        "to be filled by o.e.m.", "system manufacturer", "system product name", "system serial number",
        "0", "0123456789", "123456789", "00000000-0000-0000-0000-000000000000",
        "03000200-0400-0500-0006-000700080009", "ffffffff-ffff-ffff-ffff-ffffffffffff",
    )
)  # fmt: skip


def describe_host(snapshot: Snapshot) -> Host:
    """Return the host's facts; what the firmware left at its placeholder counts as unavailable."""
    return name_host(snapshot.host)


def name_host(raw: RawHost) -> Host:
    """Return the facts of a host of which nothing else was looked at."""
    return Host(
        hostname=raw.hostname,
        machine_id=raw.machine_id,
        vendor=_firmware(raw.dmi, "sys_vendor"),
        product=_firmware(raw.dmi, "product_name"),
        serial=_firmware(raw.dmi, "product_serial"),
        product_uuid=_firmware(raw.dmi, "product_uuid"),
        kernel=raw.kernel,
        clock_source=raw.clock_source,
        image=str(raw.image) if raw.image else Unavailable("not started from a recovery image"),
        secure_boot=raw.secure_boot,
    )


def _firmware(dmi: dict[str, Fact], key: str) -> Fact:
    value = dmi.get(key, Unavailable("the firmware gives no DMI data"))
    if isinstance(value, str) and value.lower() in _PLACEHOLDERS:
        return Unavailable(f'the firmware says "{value}"' if value else "the firmware leaves it blank")
    return value
