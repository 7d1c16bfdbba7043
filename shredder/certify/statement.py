"""The certificate's statement: in-toto Statement v1, made from the evidence and from nothing else.

A verifier makes it again from the evidence and compares. So what this module and claims.py say
for given evidence is fixed under one predicate type: other words need a new one.

Source: in-toto Attestation Framework, Statement v1.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from shredder import records
from shredder.certify.claims import (
    claim,
    describe_confidence,
    disclaim,
)
from shredder.certify.evidence import Entry
from shredder.certify.findings import find
from shredder.certify.nist import NOT_DONE, make_nist_fields, say
from shredder.certify.predicate import (
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    DeviceFacts,
    HostFacts,
    IdentityFacts,
    LeftOutFacts,
    MethodFacts,
    PassFacts,
    Predicate,
    RefusalFacts,
    Span,
    VerificationFacts,
)
from shredder.certify.reports import DeviceReport, PassReport, RunReport, VerificationReport
from shredder.events import Stream
from shredder.model import Host, Identity, LeftOut, Refusal
from shredder.ranges import Range


def make_statement(entries: Sequence[Entry], evidence_sha256: str, evidence_name: str) -> dict[str, Any]:
    """Return the statement about a run.

    Args:
        entries: the whole evidence.
        evidence_sha256: of the evidence file's bytes, in hex.
        evidence_name: the file's name, without a folder.

    Raises:
        CertificateError: the evidence contradicts itself.
    """
    predicate = records.to_json(_make_predicate(find(entries)))
    return wrap_predicate(PREDICATE_TYPE, predicate, evidence_sha256, evidence_name)


def wrap_predicate(kind: str, predicate: Any, evidence_sha256: str, evidence_name: str) -> dict[str, Any]:
    """Return the statement that a predicate of this kind makes about an evidence file."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": evidence_name, "digest": {"sha256": evidence_sha256}}],
        "predicateType": kind,
        "predicate": predicate,
    }


def statement_bytes(statement: dict[str, Any]) -> bytes:
    """Return the bytes that are signed."""
    return records.canonical(statement)


def _make_predicate(report: RunReport) -> Predicate:
    start, plan = report.start, report.plan
    return Predicate(
        headline=report.headline,
        outcome=report.outcome.value,
        run_id=start.run_id,
        tool=f"shredder {start.tool_version}",
        plan_digest=start.plan_digest,
        claimed_started_at=report.started_at,
        claimed_ended_at=report.ended_at,
        host=make_host_facts(plan.host),
        method=MethodFacts(
            name=plan.method,
            verification=plan.verify.value,
            all_disks=plan.all_disks,
            allowances=tuple(kind.value for kind in plan.allow),
        ),
        devices=tuple(_device(device, report) for device in report.devices),
        left_out=tuple(_left_out(item) for item in report.left_out),
        driverless_controllers=plan.driverless,
        claims=claim(report),
        disclaimers=disclaim(report),
    )


def make_spans(ranges: Iterable[Range]) -> tuple[Span, ...]:
    """Return ranges as a certificate writes them."""
    return tuple(Span(str(item.start_bytes), str(item.length_bytes)) for item in ranges)


def make_host_facts(host: Host) -> HostFacts:
    """Return the machine as a certificate writes it."""
    return HostFacts(
        hostname=say(host.hostname),
        machine_id=say(host.machine_id),
        vendor=say(host.vendor),
        product=say(host.product),
        serial=say(host.serial),
        product_uuid=say(host.product_uuid),
        kernel=say(host.kernel),
        clock_source=say(host.clock_source),
        image=say(host.image),
        secure_boot=say(host.secure_boot),
    )


def _identity(identity: Identity) -> IdentityFacts:
    return IdentityFacts(
        serial=say(identity.serial),
        wwn=say(identity.wwn),
        size_bytes=str(identity.size_bytes),
        start_bytes=str(identity.start_bytes),
        logical_sector_bytes=str(identity.logical_sector_bytes),
        by_path=say(identity.by_path),
        partition_table_uuid=say(identity.partition_table_uuid),
        instance=say(identity.instance),
    )


def _left_out(item: LeftOut) -> LeftOutFacts:
    return LeftOutFacts(
        path=item.path,
        why=item.why.value,
        model=say(item.model),
        serial=say(item.serial),
        size_bytes=str(item.size_bytes),
        reason=say(item.reason),
    )


def _refusals(refusals: Iterable[Refusal]) -> tuple[RefusalFacts, ...]:
    return tuple(RefusalFacts(item.kind.value, item.device, item.detail) for item in refusals)


def _device(device: DeviceReport, report: RunReport) -> DeviceFacts:
    step = device.step
    stream = next((item for item in report.start.streams if item.path == step.path), None)
    read_back = device.verification
    return DeviceFacts(
        path=step.path,
        aliases=step.aliases,
        kind=step.kind.value,
        medium=step.medium.value,
        verdict=device.verdict.value,
        problems=tuple(problem.reason for problem in device.problems),
        identity=_identity(step.identity),
        nist=make_nist_fields(device, report),
        direct_reads=NOT_DONE if device.opened is None else "yes" if device.opened.direct else "no",
        stream_nonce=stream.nonce_hex if stream else "",
        passes=tuple(_pass(item, stream) for item in device.passes),
        verification=_verification(read_back, report.plan.nonce_hex) if read_back else None,
        unwritten=make_spans(device.unwritten),
        untouched=make_spans(device.untouched),
        may_still_write=device.may_still_write,
        refusals=_refusals(device.refusals),
        allowed=_refusals(step.allowed),
    )


def _pass(item: PassReport, stream: Stream | None) -> PassFacts:
    return PassFacts(
        number=str(item.number),
        writes=str(item.planned),
        started_at=say(item.started_at),
        ended_at=say(item.ended_at),
        elapsed_ms=str(item.elapsed_ms),
        written=make_spans(item.written),
        unwritten=make_spans(item.unwritten),
        write_errors=str(item.write_errors),
        errors=item.errors,
        flush=_flush(item),
        ended_early=_early(stopped=item.stopped, gave_up=item.gave_up),
        key_sha256=stream.key_digests[item.number - 1] if stream else "",
    )


def _flush(item: PassReport) -> str:
    if item.ended_at is None:
        return NOT_DONE
    return "done" if item.flush_error is None else f"failed: {item.flush_error}"


def _early(*, stopped: bool, gave_up: str | None) -> str:
    if gave_up is not None:
        return f"gave up: {gave_up}"
    return "stopped" if stopped else "no"


def _verification(read_back: VerificationReport, nonce_hex: str) -> VerificationFacts:
    started, ended = read_back.started, read_back.ended
    return VerificationFacts(
        kind=started.kind.value,
        pass_number=str(started.number),
        seed_hex=started.seed_hex,
        nonce_hex=nonce_hex,
        started_at=read_back.started_at,
        ended_at=say(read_back.ended_at),
        elapsed_ms=str(ended.elapsed_ms) if ended else "0",
        to_check_bytes=str(started.ranges_bytes),
        checked_bytes=str(ended.checked_bytes) if ended else "0",
        independent_samples=str(started.independent),
        confidence=describe_confidence(read_back),
        mismatches=make_spans(ended.mismatches) if ended else (),
        unreadable=make_spans(ended.unreadable) if ended else (),
        read_errors=str(ended.read_errors) if ended else "0",
        ended_early=_early(stopped=ended.stopped, gave_up=ended.gave_up) if ended else NOT_DONE,
    )
