"""The certificate as plain text for people; the verdict stands in the first line."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from shredder.certify.nist import NOT_DONE
from shredder.certify.predicate import (
    DeviceFacts,
    NistFields,
    PassFacts,
    Predicate,
    SignatureLine,
    Span,
    VerificationFacts,
    read_predicate,
    read_subject,
)
from shredder.certify.recipe import openssl_recipe
from shredder.errors import CertificateError
from shredder.units import duration, printable

_WIDTH = 100
_SHOWN_RANGES = 8
_LABEL_WIDTH = 22


def render_text(
    statement: dict[str, Any],
    *,
    key_id: str,
    signer: str,
    is_ed25519: bool = False,
    certificate_name: str = "certificate.json",
    key_name: str = "public-key.pem",
) -> str:
    """Return the certificate as text of at most 100 columns where words allow it.

    Args:
        statement: as `read_statement` returned it.
        key_id: of the key that signed.
        signer: what is known of the signer, e.g. "trusted", "signer not established" or "not checked".
        is_ed25519: how to check the signature with openssl.
        certificate_name: the envelope's file name, for the openssl lines.
        key_name: the public key's file name, for the openssl lines.

    Raises:
        CertificateError: the statement is not one.
    """
    predicate, subject = read_predicate(statement), read_subject(statement)
    lines = [predicate.headline, "", *_run_lines(predicate)]
    lines += [_field("signed by key", key_id), _field("signer", signer)]
    lines += [_field("evidence", subject.name), _field("evidence sha256", subject.sha256)]
    try:
        for device in predicate.devices:
            lines += ["", *_device_lines(device, subject.name)]
    except ValueError:
        raise CertificateError("the certificate holds text where a number must stand") from None
    lines += _left_out_lines(predicate)
    lines += ["", "what this certificate claims", *_sentences(predicate.claims)]
    lines += ["", "what it does not claim", *_sentences(predicate.disclaimers)]
    lines += ["", "how to check the signature with openssl, in the folder of these files"]
    text = "\n".join(printable(line) for line in lines)
    recipe = openssl_recipe(certificate_name, key_name, subject.name, is_ed25519=is_ed25519)
    return "\n".join([text, *(f"  {line}" for line in recipe), ""])


def _field(label: str, value: str, indent: str = "") -> str:
    return f"{indent}{label:<{_LABEL_WIDTH}}{value}"


def _run_lines(predicate: Predicate) -> Iterator[str]:
    host, method = predicate.host, predicate.method
    yield _field("run", predicate.run_id)
    yield _field("tool", predicate.tool)
    yield _field("plan digest", predicate.plan_digest)
    yield _field("time (claimed)", f"{predicate.claimed_started_at} to {predicate.claimed_ended_at}")
    yield _field("host", host.hostname)
    yield _field("host vendor", host.vendor)
    yield _field("host product", host.product)
    yield _field("host serial", host.serial)
    yield _field("host product uuid", host.product_uuid)
    yield _field("host machine id", host.machine_id)
    yield _field("kernel", host.kernel)
    yield _field("clock source", host.clock_source)
    yield _field("recovery image", host.image)
    yield _field("secure boot", host.secure_boot)
    yield _field("method", f"{method.name}, verification {method.verification}")
    yield _field("allowed", ", ".join(method.allowances) or "nothing")


def _device_lines(device: DeviceFacts, evidence_name: str) -> Iterator[str]:
    yield f"device {device.path}: {device.verdict}"
    for problem in device.problems:
        yield from _wrapped(f"! {problem}")
    yield _field("kind", f"{device.kind}, medium {device.medium}", "  ")
    if device.aliases:
        yield _field("also known as", ", ".join(device.aliases), "  ")
    yield from _identity_lines(device)
    yield _field("direct reads", device.direct_reads, "  ")
    for refusal in device.refusals:
        yield from _wrapped(f"refused ({refusal.kind}): {refusal.detail}")
    for allowed in device.allowed:
        yield from _wrapped(f"allowed all the same ({allowed.kind}): {allowed.detail}")
    for item in device.passes:
        yield from _pass_lines(item, len(device.passes))
    if device.verification is None:
        yield _field("verification", NOT_DONE, "  ")
    else:
        yield from _verification_lines(device.verification, evidence_name)
    yield from _range_lines("missed at least one pass", device.unwritten, evidence_name)
    yield from _range_lines("missed every pass", device.untouched, evidence_name)
    yield from _nist_lines(device.nist)


def _identity_lines(device: DeviceFacts) -> Iterator[str]:
    identity = device.identity
    yield _field("size", f"{identity.size_bytes} bytes, sectors of {identity.logical_sector_bytes}", "  ")
    if identity.start_bytes != "0":
        yield _field("begins at byte", identity.start_bytes, "  ")
    yield _field("wwn", identity.wwn, "  ")
    yield _field("by path", identity.by_path, "  ")
    yield _field("partition table uuid", identity.partition_table_uuid, "  ")
    yield _field("instance", identity.instance, "  ")


def _pass_lines(item: PassFacts, passes: int) -> Iterator[str]:
    name = f"pass {item.number} of {passes}"
    if item.started_at == NOT_DONE:
        yield _field(name, f"{item.writes}: not begun", "  ")
        return
    written = sum(int(part.length) for part in item.written)
    yield _field(name, f"{item.writes}: {written} bytes written, write errors {item.write_errors}", "  ")
    yield _field("", f"flush {item.flush}", "  ")
    yield _field("", f"{item.started_at} to {item.ended_at}, {_took(item.elapsed_ms)}", "  ")
    if item.ended_early != "no":
        yield _field("", f"ended early: {item.ended_early}", "  ")
    for error in item.errors:
        yield _field("", f"error: {error}", "  ")


def _verification_lines(item: VerificationFacts, evidence_name: str) -> Iterator[str]:
    amount = f"{item.checked_bytes} of {item.to_check_bytes} bytes compared"
    yield _field("verification", f"{item.kind}, pass {item.pass_number}: {amount}", "  ")
    yield _field("", f"{item.started_at} to {item.ended_at}, {_took(item.elapsed_ms)}", "  ")
    yield _field("", f"read errors {item.read_errors}, ended early: {item.ended_early}", "  ")
    if item.seed_hex:
        yield _field("", f"seed {item.seed_hex}", "  ")
        yield _field("", f"independent samples {item.independent_samples}", "  ")
    yield _field("confidence", item.confidence, "  ")
    yield from _range_lines("differs (whole sectors)", item.mismatches, evidence_name)
    yield from _range_lines("could not be read", item.unreadable, evidence_name)


def _took(elapsed_ms: str) -> str:
    return duration(int(elapsed_ms) // 1000)


def _range_lines(label: str, ranges: tuple[Span, ...], evidence_name: str) -> Iterator[str]:
    if not ranges:
        return
    places = "1 range" if len(ranges) == 1 else f"{len(ranges)} ranges"
    yield f"  {label}: {sum(int(item.length) for item in ranges)} bytes in {places}"
    for item in ranges[:_SHOWN_RANGES]:
        first, length = int(item.start), int(item.length)
        yield f"    bytes {first} to {first + length - 1} ({length} bytes)"
    if len(ranges) > _SHOWN_RANGES:
        more = len(ranges) - _SHOWN_RANGES
        yield f"    and {more} more; all of them stand in the certificate's statement and in {evidence_name}"


def _nist_lines(nist: NistFields) -> Iterator[str]:
    yield "  fields of NIST SP 800-88"
    for label, value in (
        ("organisation", nist.organisation),
        ("manufacturer", nist.manufacturer),
        ("model", nist.model),
        ("serial number", nist.serial_number),
        ("property number", nist.property_number),
        ("media type", nist.media_type),
        ("media source", nist.media_source),
        ("confidentiality", nist.confidentiality),
        ("sanitization method", nist.sanitization_method),
        ("technique", nist.technique),
        ("tool", nist.tool),
        ("verification method", nist.verification_method),
        ("destination", nist.destination),
    ):
        yield from textwrap.wrap(
            _field(label, value, "    "), _WIDTH, subsequent_indent=" " * (_LABEL_WIDTH + 4)
        )
    yield from _signature_lines("sanitization", nist.sanitization)
    yield from _signature_lines("verification", nist.verification)
    yield from _signature_lines("validation", nist.validation)


def _signature_lines(act: str, line: SignatureLine) -> Iterator[str]:
    yield f"    {act}, by whom"
    for label, value in (
        ("name", line.name),
        ("title", line.title),
        ("date", line.date),
        ("location", line.location),
        ("contact", line.contact),
        ("signature", line.signature),
    ):
        yield _field(f"  {label}", value, "    ")


def _left_out_lines(predicate: Predicate) -> Iterator[str]:
    if predicate.left_out:
        yield from ("", "devices that were not targets")
    for item in predicate.left_out:
        yield f"  {item.path}: {item.why}, {item.size_bytes} bytes, model {item.model}, serial {item.serial}"
        yield from _wrapped(item.reason, "    ")
    if predicate.driverless_controllers:
        yield from ("", "storage controllers without a driver: what is behind them was not seen")
        yield from (f"  {name}" for name in predicate.driverless_controllers)


def _sentences(sentences: Iterable[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from textwrap.wrap(sentence, _WIDTH, initial_indent="- ", subsequent_indent="  ")


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")
