"""How long a step will take, roughly: from assumed rates, as nothing has been measured yet."""

from collections.abc import Mapping
from types import MappingProxyType

from shredder.model import MediumKind, Step, VerifyKind
from shredder.plan.sampling import sampled_bytes

_MB = 1_000_000

RATES_BYTES_PER_S: Mapping[MediumKind, int] = MappingProxyType(
    {
        MediumKind.ROTATING: 150 * _MB,
        MediumKind.SSD: 400 * _MB,
        MediumKind.NVME: 1_500 * _MB,
        MediumKind.VIRTUAL: 200 * _MB,
        MediumKind.LOOP: 1_000 * _MB,
        MediumKind.ZRAM: 1_000 * _MB,
        MediumKind.FILE: 1_000 * _MB,
        MediumKind.OPTICAL: 100 * _MB,
        MediumKind.UNKNOWN: 100 * _MB,
    }
)


def estimate_s(step: Step, verify: VerifyKind) -> int:
    """Return the seconds that all passes and the verification may take, rounded up."""
    size_bytes = step.identity.size_bytes
    moved_bytes = size_bytes * len(step.passes)
    if verify is VerifyKind.FULL:
        moved_bytes += size_bytes
    elif verify is VerifyKind.SAMPLED:
        moved_bytes += sampled_bytes(size_bytes, step.identity.logical_sector_bytes)
    return -(-moved_bytes // RATES_BYTES_PER_S[step.medium])
