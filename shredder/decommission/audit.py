"""Checking a medium, later, against its certificate and the stream keys."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from shredder.certify.reports import DeviceReport, RunReport
from shredder.certify.stream_keys import StreamKeys, check_key
from shredder.erase.keystream import make_source
from shredder.erase.transfer import StopFlag
from shredder.erase.verify import Compared, compare
from shredder.erase.worker import choose_threads, open_for_reading
from shredder.errors import CertificateError, ExitCode, RefusedError, gravest
from shredder.events import Event, Progress
from shredder.model import Device, Identity, PassKind, Unavailable
from shredder.plan.safety import identity_changes
from shredder.plan.sampling import draw_independent
from shredder.ranges import Range, span, subtract, total_bytes

_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Audit:
    """What the medium holds now. `left_out` is what the certificate itself says was not written."""

    device: DeviceReport
    asked_bytes: int
    left_out: tuple[Range, ...]
    found: Compared
    exit_code: ExitCode


def audit_medium(
    device: Device,
    report: RunReport,
    stream_keys: StreamKeys,
    *,
    samples: int | None,
    monitor: Callable[[Event], None],
    stop: StopFlag,
) -> Audit:
    """Read the medium back and compare it with what the last pass left there.

    Args:
        device: the medium, as it is now.
        report: from a certificate that was checked.
        stream_keys: the keys of the same run.
        samples: how many independent 4 KiB samples to read; None for every byte.
        monitor: shown the progress.
        stop: ends the audit at a block boundary.

    Raises:
        RefusedError: the medium is not on the certificate.
        CertificateError: the keys are not those of the certificate.
    """
    entry = _find_entry(device, report)
    key = _find_key(entry, report, stream_keys)
    last = entry.passes[-1]
    ranges = subtract(_choose_ranges(device, samples), last.unwritten)
    asked_bytes = total_bytes(ranges)

    def tick(done_bytes: int, failures: int) -> None:
        monitor(Progress(device.path, last.number, True, done_bytes, asked_bytes, failures))

    medium = open_for_reading(device.path, device.kind)
    try:
        found = compare(
            medium,
            make_source(last.planned, key),
            ranges,
            threads=choose_threads(device.medium, os.cpu_count() or 1, at_once=1),
            stop=stop,
            tick=tick,
        )
    finally:
        medium.close(untouched=False)
    code = _exit_code(found, asked_bytes)
    if last.unwritten:
        code = gravest((code, ExitCode.INCOMPLETE))
    return Audit(entry, asked_bytes, last.unwritten, found, code)


def _find_entry(device: Device, report: RunReport) -> DeviceReport:
    """Return the certificate's entry for this medium; its place (path, attachment) may have changed."""
    same = [
        entry
        for entry in report.devices
        if not identity_changes(_without_place(entry.step.identity), device.identity, same_attachment=False)
    ]
    if len(same) > 1:
        same = [entry for entry in same if entry.step.path == device.path]
    if len(same) != 1:
        listed = ", ".join(entry.step.path for entry in report.devices)
        raise RefusedError(
            f"{device.path} is not a medium of this certificate",
            hint=f"it covers {listed}; serial, WWN, size and sector size must agree",
        )
    return same[0]


def _without_place(planned: Identity) -> Identity:
    """A medium may have moved to another machine since; its content is the proof."""
    return replace(planned, by_path=Unavailable("it may have moved since"))


def _find_key(entry: DeviceReport, report: RunReport, stream_keys: StreamKeys) -> bytes:
    if stream_keys.run_id != report.run_id:
        raise CertificateError("the stream keys belong to another run")
    last = entry.passes[-1]
    if last.planned.kind is not PassKind.RANDOM:
        return b""
    recorded = next(item for item in report.start.streams if item.path == entry.step.path)
    for item in stream_keys.devices:
        if item.path == entry.step.path:
            key_hex = item.keys_hex[last.number - 1] if len(item.keys_hex) == len(entry.passes) else ""
            if not key_hex or not check_key(key_hex, recorded.key_digests[last.number - 1]):
                raise CertificateError(f"the stream key for {item.path} is not the one of the certificate")
            return bytes.fromhex(key_hex)
    raise CertificateError(f"the stream keys have none for {entry.step.path}")


def _choose_ranges(device: Device, samples: int | None) -> tuple[Range, ...]:
    size_bytes = device.identity.size_bytes
    if samples is None:
        return span(0, size_bytes)
    seed = os.urandom(_SEED_BYTES)
    return draw_independent(size_bytes, device.identity.logical_sector_bytes, seed, samples)


def _exit_code(found: Compared, asked_bytes: int) -> ExitCode:
    codes = [ExitCode.DONE]
    if found.mismatches:
        codes.append(ExitCode.MISMATCH)
    if found.stopped:
        codes.append(ExitCode.INTERRUPTED)
    if found.unreadable or found.gave_up or found.checked_bytes != asked_bytes or asked_bytes == 0:
        codes.append(ExitCode.INCOMPLETE)
    return gravest(codes)
