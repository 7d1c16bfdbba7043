"""The sentences on a certificate: what it claims, and what nobody should read into it.

The wording is that of overwriting: Clear in the sense of NIST SP 800-88, on what the host could address.
"""

import math
from collections.abc import Iterator

from shredder.certify.reports import DeviceReport, RunReport, Verdict, VerificationReport
from shredder.model import DeviceKind, MediumKind, PassKind, VerifyKind
from shredder.ranges import total_bytes

_FLASH = (MediumKind.SSD, MediumKind.NVME, MediumKind.UNKNOWN)
_VIRTUAL_MEDIA = (MediumKind.VIRTUAL, MediumKind.UNKNOWN)
_VIRTUAL_KINDS = (DeviceKind.DM, DeviceKind.MD)
_FILES = (MediumKind.FILE, MediumKind.LOOP)

_DOUBT = 0.01  # the other side of 99 % confidence
_FRACTIONS_PERCENT = ("0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50")

_FOR_ALL = (
    "Times are claimed: they come from the machine's own clock.",
    "The evidence was recorded by the machine it speaks of: whoever controls that machine could have run an "
    "altered tool.",
    "Only what the host could address was overwritten: hidden areas (HPA, DCO) were not removed, and sectors "
    "that the device had taken out of use were not reached.",
    "A read-back is only as true as the device: its firmware, a cache tier or a hypervisor may have answered "
    "from elsewhere.",
    "Copies elsewhere are not covered: backups, replicas, snapshots, swap and memory.",
    "Verification says that the technique was completed; whether the result is accepted is for the "
    "organisation to decide, and is not decided here.",
)
_FOR_FLASH = (
    "Flash media keep remapped and over-provisioned cells that no host can address: old data may remain in "
    "them."
)
_FOR_VIRTUAL = (
    "The storage is virtual: snapshots, clones, old extents of thin pools or copy-on-write storage, remnants "
    "of migrations and copies kept by the provider are not covered."
)
_FOR_FILES = (
    "The medium is a file: the file system below may keep older copies of its blocks (snapshots, reflinks, "
    "journal, copy-on-write), and so may the device below that."
)
_FOR_PARTITIONS = "A partition was the target: the rest of its disk was not touched."
_FOR_CONSTANTS = (
    "The last pass wrote a constant pattern: a device may note such data without writing it, and a read-back "
    "cannot tell."
)
_FOR_CACHED = (
    "Direct access was not available: what was read back may have come from the machine's own cache."
)

_FOR_IMAGES = (
    "The machine was started from a recovery image: Secure Boot, even where it is on, covers neither its "
    "initramfs nor its configuration, and its digest is what the image says of itself."
)


def supported_confidence(samples: int) -> str:
    """Return what n independent samples without a mismatch support: n >= ln(1-c) / ln(1-p).

    Args:
        samples: how many were drawn independently.
    """
    for percent in _FRACTIONS_PERCENT:
        if samples >= math.log(_DOUBT) / math.log(1 - float(percent) / 100):
            return f"with 99 % confidence at most {percent} % of the medium is not as the last pass wrote it"
    return f"{samples} independent samples support no statement"


def describe_confidence(read_back: VerificationReport) -> str:
    """Return what the read-back supports; nothing, unless it was clean and complete."""
    ended, started = read_back.ended, read_back.started
    if ended is None or ended.mismatches or ended.unreadable or ended.read_errors:
        return "none: the verification was not clean"
    if ended.stopped or ended.gave_up is not None or ended.checked_bytes != started.ranges_bytes:
        return "none: the verification was not completed"
    if started.independent <= 0:
        return "every byte that it had to check was read"
    return supported_confidence(started.independent)


def claim(report: RunReport) -> tuple[str, ...]:
    """Return what the evidence supports, a few plain sentences a device."""
    return tuple(sentence for device in report.devices for sentence in _device_claims(device))


def _device_claims(device: DeviceReport) -> Iterator[str]:
    name = device.step.path
    if device.opened is None or not any(item.started_at for item in device.passes):
        yield f"Nothing was written to {name}: {device.verdict}."
        return
    size_bytes = device.step.identity.size_bytes
    whole = [item for item in device.passes if item.ended_at and not item.unwritten]
    accepted = ", ".join(str(item.planned) for item in whole) or "none"
    yield (
        f"Between {device.started_at} and {device.ended_at} {name} accepted and flushed {len(whole)} of "
        f"{len(device.passes)} planned passes over all {size_bytes} bytes that it exposed: {accepted}."
    )
    if device.unwritten:
        yield (
            f"{total_bytes(device.unwritten)} bytes of {name} missed at least one pass, and "
            f"{total_bytes(device.untouched)} bytes missed every one; their ranges are listed."
        )
    yield _verification_claim(device)
    if device.step.aliases and device.verdict.is_success:
        yield f"What the last pass wrote was found again through {', '.join(device.step.aliases)}."
    if device.verdict in (Verdict.VERIFIED_IN_FULL, Verdict.VERIFIED_BY_SAMPLES):
        yield f"{name}: Clear in the sense of NIST SP 800-88 (logical, on what the host could address)."
    else:
        yield f"{name}: no method of NIST SP 800-88 is claimed, because the result is: {device.verdict}."


def _verification_claim(device: DeviceReport) -> str:
    name = device.step.path
    if device.verification is None:
        return f"Nothing was read back from {name}."
    ended = device.verification.ended
    if ended is None:
        return f"The read-back of {name} did not come to an end."
    differing, lost = total_bytes(ended.mismatches), total_bytes(ended.unreadable)
    return (
        f"Read back from {name} after the last flush: {ended.checked_bytes} bytes compared; {differing} "
        f"bytes in sectors that differ, {lost} bytes unreadable, {ended.read_errors} read errors."
    )


def disclaim(report: RunReport) -> tuple[str, ...]:
    """Return what the certificate does not say, chosen by what the media are and what the machine ran."""
    images = [_FOR_IMAGES] if isinstance(report.plan.host.image, str) else []
    found = [sentence for device in report.devices for sentence in _device_disclaimers(device)]
    return tuple(dict.fromkeys([*_FOR_ALL, *images, *found]))


def _device_disclaimers(device: DeviceReport) -> Iterator[str]:
    step = device.step
    if step.medium in _FLASH:
        yield _FOR_FLASH
    if step.medium in _VIRTUAL_MEDIA or step.kind in _VIRTUAL_KINDS:
        yield _FOR_VIRTUAL
    if step.medium in _FILES:
        yield _FOR_FILES
    if step.kind is DeviceKind.PARTITION:
        yield _FOR_PARTITIONS
    if step.passes and step.passes[-1].kind is PassKind.PATTERN:
        yield _FOR_CONSTANTS
    if device.opened is not None and not device.opened.direct:
        yield _FOR_CACHED


def describe_method(verdict: Verdict) -> str:
    """Return the field "sanitization method" of NIST SP 800-88 for a verdict."""
    if verdict in (Verdict.VERIFIED_IN_FULL, Verdict.VERIFIED_BY_SAMPLES):
        return "Clear"
    if verdict is Verdict.NOT_VERIFIED:
        return "Clear, not verified"
    return f"unavailable: not reached, {verdict}"


def describe_verification(kind: VerifyKind) -> str:
    """Return the field "verification method" of NIST SP 800-88 for what was planned."""
    return {
        VerifyKind.FULL: "every byte read back after the last flush and compared",
        VerifyKind.SAMPLED: "places drawn after the last write, read back and compared",
        VerifyKind.NONE: "unavailable: none was asked for",
    }[kind]
