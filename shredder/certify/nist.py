"""The fields of NIST SP 800-88 Rev. 1, 4.8 and Rev. 2, 4.6; each says a value or why there is none."""

from shredder.certify.claims import describe_method, describe_verification
from shredder.certify.predicate import NistFields, SignatureLine
from shredder.certify.reports import DeviceReport, RunReport
from shredder.model import Fact, Person, VerifyKind

NOT_DONE = "unavailable: not done"
_NOT_GIVEN = "unavailable: not given"
_NO_INK = "unavailable: the certificate is signed with a key, not by a person"


def say(fact: Fact | None) -> str:
    """Return the fact, or why it is not there; never a blank. None is what was not done."""
    if fact is None:
        return NOT_DONE
    text = str(fact)
    return text if text.strip() else "unavailable: blank"


def make_nist_fields(device: DeviceReport, report: RunReport) -> NistFields:
    """Return the fields for one target."""
    step, profile = device.step, report.start.profile
    serial = step.identity.serial
    numbers = profile.property_numbers
    keys = [key for key in (serial, step.path) if isinstance(key, str) and key in numbers]
    read_back_at = device.verification.ended_at if device.verification else None
    return NistFields(
        organisation=say(profile.organisation),
        manufacturer=say(step.vendor),
        model=say(step.model),
        serial_number=say(serial),
        property_number=say(numbers[keys[0]]) if keys else _NOT_GIVEN,
        media_type=f"{step.medium} {step.kind}",
        media_source=say(profile.media_source),
        confidentiality=say(profile.confidentiality),
        sanitization_method=describe_method(device.verdict),
        technique=_technique(device, report),
        tool=f"shredder {report.start.tool_version}",
        verification_method=_verification(device, report.plan.verify),
        destination=say(profile.destination),
        sanitization=_signature_line(profile.sanitized_by, say(device.ended_at)),
        verification=_signature_line(profile.verified_by, say(read_back_at)),
        validation=_signature_line(profile.validated_by, _NOT_GIVEN),
    )


def _technique(device: DeviceReport, report: RunReport) -> str:
    patterns = ", ".join(str(item.planned) for item in device.passes)
    whole = device.passes and not any(item.unwritten for item in device.passes)
    short = "" if whole else " (planned; the passes below say what was done)"
    return f"overwriting, method {report.plan.method}: {patterns}{short}"


def _verification(device: DeviceReport, planned: VerifyKind) -> str:
    """What was planned and did not come to its end must not read as done."""
    method = describe_verification(planned)
    ended = device.verification.ended if device.verification else None
    if planned is VerifyKind.NONE or (ended is not None and not ended.stopped and ended.gave_up is None):
        return method
    return f"unavailable: not carried to its end (planned: {method})"


def _signature_line(person: Person, date: str) -> SignatureLine:
    return SignatureLine(
        name=say(person.name),
        title=say(person.title),
        date=date,
        location=say(person.location),
        contact=say(person.contact),
        signature=_NO_INK,
    )
