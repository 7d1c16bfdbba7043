"""What a certificate about logs says of its rules and files, as plain text for people."""

from collections.abc import Iterator

from shredder.certify.log_predicate import LogFileFacts, LogsPredicate, PlaceFacts, RuleFacts
from shredder.certify.text import field, host_lines, range_lines, wrapped

_SHOWN_FILES = 200
_IN = "  "


def run_lines(predicate: LogsPredicate) -> Iterator[str]:
    """Return what the run was."""
    yield field("run", predicate.run_id)
    yield field("tool", predicate.tool)
    yield field("policy", predicate.policy_name)
    yield field("policy sha256", predicate.policy_sha256)
    yield field("path salt sha256", predicate.path_salt_sha256)
    yield field("time (claimed)", f"{predicate.claimed_started_at} to {predicate.claimed_ended_at}")
    if predicate.previous is None:
        yield field("run before", "none on record")
    else:
        yield field("run before", f"{predicate.previous.run_id}, {predicate.previous.claimed_ended_at}")
        yield field("its evidence sha256", predicate.previous.evidence_sha256)
    yield field("organisation", predicate.responsible.organisation)
    yield field("responsible", predicate.responsible.name)
    yield from host_lines(predicate.host)


def rule_lines(predicate: LogsPredicate, evidence_name: str) -> Iterator[str]:
    """Return what happened under each rule.

    Raises:
        ValueError: the certificate holds text where a number must stand.
    """
    for problem in predicate.problems:
        yield from wrapped(f"! {problem}")
    for hold in predicate.holds:
        who = hold.who if hold.by == "hand" else "the policy's check"
        yield ""
        yield from wrapped(f"hold on {hold.rule} by {who}, since {hold.since}: {hold.reason}", "")
        yield field("until", hold.until, _IN)
        yield field("released", hold.released, _IN)
    for path in predicate.finished_before:
        yield from wrapped(f"{path}: an earlier run had begun it, and its name was gone already", "")
    for service in predicate.brought_back:
        yield from wrapped(
            f"{service.service}, stopped by an earlier run, brought back: {service.outcome}", ""
        )
    for rule in predicate.rules:
        yield from ("", *_rule_lines(rule, evidence_name))


def _rule_lines(rule: RuleFacts, evidence_name: str) -> Iterator[str]:
    yield f"rule {rule.name} ({rule.kind})"
    for problem in rule.problems:
        yield from wrapped(f"! {problem}")
    yield field("method", f"{rule.method}: {', '.join(rule.passes)}; verification {rule.verification}", _IN)
    yield field("required grade", rule.required_grade, _IN)
    yield field("name afterwards", rule.after, _IN)
    yield from _step_lines(rule)
    for total in rule.totals:
        yield f"  {total.verdict}: {int(total.files)} files, {int(total.size_bytes)} bytes"
    for file in rule.files[:_SHOWN_FILES]:
        yield from _file_lines(file, evidence_name)
    yield from _more_lines(len(rule.files), int(rule.files_not_listed), evidence_name)
    if rule.not_due:
        yield "  not due:"
    for item in rule.not_due[:_SHOWN_FILES]:
        yield from wrapped(f"{item.path}, {int(item.size_bytes)} bytes: {item.why}", "    ")
    yield from _more_lines(len(rule.not_due), int(rule.not_due_not_listed), evidence_name)


def _more_lines(listed: int, unlisted: int, evidence_name: str) -> Iterator[str]:
    if listed > _SHOWN_FILES:
        yield from wrapped(f"and {listed - _SHOWN_FILES} more files, which the certificate's statement lists")
    if unlisted:
        yield from wrapped(f"and {unlisted} more files, which only {evidence_name} names")


def _step_lines(rule: RuleFacts) -> Iterator[str]:
    if rule.kind == "journal":
        yield field("journald rotated", rule.journal, _IN)
    for item in rule.rotations:
        yield from wrapped(f"renamed {item.path} to {item.new_path}: {item.outcome}")
    for service in rule.service:
        told = f"{service.service} {service.how}: {service.outcome} ({int(service.waited_ms)} ms)"
        yield from wrapped(f"service {told}")
    if rule.hold_check is not None:
        check = rule.hold_check
        yield from wrapped(f"check of {check.from_time} to {check.to_time}: {check.answer}, {check.outcome}")
        yield field("held since", check.held_since, _IN)
    if rule.summary is not None:
        yield from wrapped(f"summary of {int(rule.summary.files)} files: {rule.summary.outcome}")
        yield from (f"    {name}" for name in rule.summary.outputs)


def _file_lines(file: LogFileFacts, evidence_name: str) -> Iterator[str]:
    yield from wrapped(f"file {file.path}: {file.verdict}")
    for problem in file.problems:
        yield from wrapped(f"! {problem}", "    ")
    where = f"device {file.device}, inode {file.inode}, {int(file.size_bytes)} bytes"
    yield from wrapped(f"{where}, changed {file.changed_at}", "    ")
    yield from wrapped(f"records from {file.first_record_at} to {file.last_record_at}", "    ")
    yield from wrapped(f"why: {file.why}", "    ")
    because = f" ({file.grade_reason})" if file.grade_reason else ""
    yield from wrapped(f"grade {file.grade}, predicted {file.predicted_grade}{because}", "    ")
    yield from wrapped(f"read back: {file.read_back}; name: {file.name}", "    ")
    yield from range_lines("  not overwritten", file.unwritten, evidence_name)
    yield from range_lines("  differs", file.mismatches, evidence_name)
    for device in dict.fromkeys(place.device for place in file.old_places):
        yield from range_lines(f"  old bytes lay on {device}", _on(device, file.old_places), evidence_name)
    if file.old_places:
        yield from wrapped(f"looked at those places afterwards: {file.looked}", "    ")
    for device in dict.fromkeys(place.device for place in file.still_there):
        label = f"  OLD BYTES STILL STAND on {device}"
        yield from range_lines(label, _on(device, file.still_there), evidence_name)


def _on(device: str, places: tuple[PlaceFacts, ...]) -> tuple[PlaceFacts, ...]:
    return tuple(place for place in places if place.device == device)
