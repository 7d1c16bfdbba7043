"""The statement: what it says for which evidence, byte for byte."""

import re
from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shredder.certify.claims import supported_confidence
from shredder.certify.predicate import read_predicate, read_statement, read_subject
from shredder.certify.render import render_text
from shredder.certify.statement import make_statement, statement_bytes
from shredder.errors import CertificateError
from shredder.events import (
    DeviceEnded,
    DeviceOpened,
    DeviceRefused,
    PassEnded,
    PassStarted,
    Recorded,
    RunEnded,
    RunStarted,
    VerifyEnded,
    VerifyStarted,
)
from shredder.model import (
    DeviceKind,
    Fact,
    LeftOut,
    LeftOutWhy,
    MediumKind,
    Refusal,
    RefusalKind,
    Step,
    Unavailable,
    VerifyKind,
)
from shredder.ranges import Range
from tests.unit.certify_builders import (
    RANDOM,
    ZEROS,
    chain,
    golden_files,
    good_device,
    good_run,
    good_verification,
    make_plan,
    make_step,
    start_run,
    state,
)

GOLDEN = Path(__file__).parent / "golden"
REFUSAL = Refusal(RefusalKind.MOUNT, "/dev/sdx1", "mounted at /srv")
HUGE = 2**70


def failed_run() -> list[Recorded]:
    """One device with a fault of every kind, one refused, one left out."""
    step, other = (
        make_step(allowed=(Refusal(RefusalKind.BOOT, "/dev/sdx", "it boots"),)),
        make_step("/dev/sdy"),
    )
    left = LeftOut("/dev/sdz", LeftOutWhy.REFUSED, Unavailable("none"), "S-9", 512, "mounted at /")
    plan = make_plan(
        step, other, all_disks=True, left_out=(left,), driverless=("8086:2822",), allow=(RefusalKind.BOOT,)
    )
    started, ended = good_verification(step)
    assert isinstance(ended, VerifyEnded)
    ranges = tuple(Range(at * 1024, 512) for at in range(20))
    passes = [
        replace(event, unwritten=ranges, write_errors=HUGE) if isinstance(event, PassEnded) else event
        for event in good_device(step)[1:5]
    ]
    return [
        start_run(plan),
        DeviceOpened(step.path, step.identity, direct=False),
        *passes,
        started,
        replace(ended, mismatches=ranges, unreadable=ranges, read_errors=20, gave_up="too many errors"),
        DeviceEnded(step.path, "stuck in the kernel", may_still_write=True),
        DeviceRefused(other.path, (REFUSAL,)),
        RunEnded(interrupted=True),
    ]


RUNS: dict[str, list[Recorded]] = {
    "full": good_run(make_plan()),
    "sampled": good_run(make_plan(verify=VerifyKind.SAMPLED, nonce_hex="0a0b")),
    "not verified": good_run(make_plan(verify=VerifyKind.NONE)),
    "failed": failed_run(),
    "killed": good_run(make_plan())[:4],
    "never begun": [start_run(make_plan()), RunEnded(interrupted=True)],
    **{
        f"{kind} on {medium}": good_run(make_plan(make_step(kind=kind, medium=medium)))
        for kind, medium in [
            (DeviceKind.DISK, MediumKind.SSD),
            (DeviceKind.PARTITION, MediumKind.VIRTUAL),
            (DeviceKind.IMAGE, MediumKind.FILE),
            (DeviceKind.DM, MediumKind.UNKNOWN),
        ]
    },
}


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("name", golden_files())
def test_golden_files_hold_the_exact_bytes(name: str) -> None:
    assert (GOLDEN / name).read_bytes() == golden_files()[name]


def test_no_golden_file_is_left_behind() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(golden_files())


@pytest.mark.parametrize("name", RUNS)
def test_every_statement_is_read_back_the_same(name: str) -> None:
    statement = state(RUNS[name])
    assert read_statement(statement_bytes(statement)) == statement
    assert set(statement) == {"_type", "subject", "predicateType", "predicate"}
    assert len(statement["subject"]) == 1
    assert set(statement["subject"][0]) == {"name", "digest"}


@pytest.mark.parametrize("name", RUNS)
def test_no_number_stands_where_a_verifier_would_read_a_float(name: str) -> None:
    assert {type(leaf) for leaf in leaves(state(RUNS[name]))} <= {str, bool, type(None)}


@pytest.mark.parametrize("name", RUNS)
def test_no_field_is_blank(name: str) -> None:
    predicate = state(RUNS[name])["predicate"]
    facts = [predicate["host"], *(device["nist"] for device in predicate["devices"])]
    facts += [device["identity"] for device in predicate["devices"]]
    assert all(leaf.strip() for leaf in leaves(facts))


@pytest.mark.parametrize("name", RUNS)
def test_words_that_an_overwrite_does_not_deserve_are_never_used(name: str) -> None:
    statement = state(RUNS[name])
    text = render_text(statement, key_id="ab" * 32, signer="not checked")
    for said in (text, statement_bytes(statement).decode()):
        assert not re.search(r"purge|2883|validated|certified|destroy", said, re.IGNORECASE)


@pytest.mark.parametrize("secure_boot", ["on", "off", Unavailable("not started by UEFI firmware")])
def test_a_run_from_a_recovery_image_names_it_and_says_what_secure_boot_leaves_open(
    secure_boot: Fact,
) -> None:
    plan = make_plan()
    host = replace(plan.host, image=f"shredder image 1.0.0 sha256:{'ab' * 32}", secure_boot=secure_boot)
    predicate = read_predicate(state(good_run(replace(plan, host=host))))
    assert predicate.host.image == f"shredder image 1.0.0 sha256:{'ab' * 32}"
    assert predicate.host.secure_boot == str(secure_boot)
    (said,) = (sentence for sentence in predicate.disclaimers if "Secure Boot" in sentence)
    assert "neither its initramfs nor its configuration" in said
    assert not any("Secure Boot" in sentence for sentence in read_predicate(state(RUNS["full"])).disclaimers)


def test_a_blank_fact_says_so() -> None:
    step = make_step(vendor="  ", model=Unavailable("not reported"))
    nist = read_predicate(state(good_run(make_plan(step)))).devices[0].nist
    assert nist.manufacturer == "unavailable: blank"
    assert nist.model == "unavailable: not reported"


def test_the_property_number_is_found_by_serial_or_path() -> None:
    plan = make_plan(make_step(), make_step("/dev/sdy", identity=make_step().identity), make_step("/dev/sdw"))
    unnamed = replace(plan.steps[1].identity, serial=Unavailable("none"))
    plan = replace(plan, steps=(plan.steps[0], *(replace(step, identity=unnamed) for step in plan.steps[1:])))
    start = start_run(plan)
    start = replace(start, profile=replace(start.profile, property_numbers={"S-1": "A", "/dev/sdy": "B"}))
    happened = [start, *good_run(plan)[1:]]
    numbers = [item.nist.property_number for item in read_predicate(state(happened)).devices]
    assert numbers == ["A", "B", "unavailable: not given"]


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("full", "Clear"),
        ("sampled", "Clear"),
        ("not verified", "Clear, not verified"),
        ("failed", "unavailable: not reached, mismatch"),
        ("killed", "unavailable: not reached, interrupted"),
        ("never begun", "unavailable: not reached, not attempted"),
    ],
)
def test_clear_is_claimed_only_for_what_was_verified(name: str, method: str) -> None:
    predicate = read_predicate(state(RUNS[name]))
    assert predicate.devices[0].nist.sanitization_method == method
    claimed = any("Clear in the sense" in sentence for sentence in predicate.claims)
    assert claimed == (method == "Clear")


def test_a_failed_run_says_everything_that_went_wrong() -> None:
    predicate = read_predicate(state(RUNS["failed"]))
    assert predicate.headline == (
        "FAILED, mismatch: 1 device mismatch; 1 device refused; 1 device refused by the plan; "
        "1 storage controller without a driver; it cannot be told whether disks appeared late"
    )
    assert (predicate.outcome, predicate.method.allowances) == ("mismatch", ("boot",))
    device, other = predicate.devices
    assert device.verdict == "mismatch"
    assert device.may_still_write
    assert device.direct_reads == "no"
    assert "stuck in the kernel" in device.problems
    assert len(device.unwritten) == len(device.untouched) == 20
    assert device.unwritten[1].start == "1024"
    assert device.allowed[0].detail == "it boots"
    assert device.passes[0].write_errors == str(HUGE)
    assert device.verification is not None
    assert device.verification.confidence == "none: the verification was not clean"
    assert device.verification.ended_early == "gave up: too many errors"
    assert len(device.verification.mismatches) == 20
    assert other.refusals[0].detail == "mounted at /srv"
    assert predicate.left_out[0].reason == "mounted at /"
    assert predicate.driverless_controllers == ("8086:2822",)


def test_a_sampled_verification_says_what_it_supports() -> None:
    found = read_predicate(state(RUNS["sampled"])).devices[0].verification
    assert found is not None
    assert (found.seed_hex, found.nonce_hex, found.independent_samples) == ("5e" * 32, "0a0b", "4603")
    assert found.confidence == (
        "with 99 % confidence at most 0.1 % of the medium is not as the last pass wrote it"
    )


def test_a_stopped_verification_supports_nothing() -> None:
    happened = [
        replace(event, stopped=True) if isinstance(event, VerifyEnded) else event for event in RUNS["sampled"]
    ]
    found = read_predicate(state(happened)).devices[0].verification
    assert found is not None
    assert found.confidence == "none: the verification was not completed"


@pytest.mark.parametrize(
    ("samples", "percent"), [(46050, "0.01"), (46049, "0.02"), (4603, "0.1"), (4602, "0.2"), (7, "50")]
)
def test_the_confidence_changes_exactly_where_the_formula_does(samples: int, percent: str) -> None:
    assert f"at most {percent} %" in supported_confidence(samples)


def test_too_few_samples_support_nothing() -> None:
    assert supported_confidence(6) == "6 independent samples support no statement"


@given(st.integers(1, 100_000))
def test_no_confidence_is_claimed_that_the_samples_do_not_support(samples: int) -> None:
    found = re.search(r"at most ([\d.]+) %", supported_confidence(samples))
    fraction = float(found[1]) / 100 if found else 1 - 1e-12
    assert (1 - fraction) ** samples <= 0.01 or (found is None and samples < log(0.01) / log(0.5))


FLASH, VIRTUAL, FILE, PARTITION, CONSTANT, CACHED = (
    "over-provisioned",
    "thin pools",
    "The medium is a file",
    "A partition was the target",
    "constant pattern",
    "machine's own cache",
)


@pytest.mark.parametrize(
    ("step", "direct", "said"),
    [
        (make_step(), True, set()),
        (make_step(medium=MediumKind.SSD), True, {FLASH}),
        (make_step(medium=MediumKind.NVME), True, {FLASH}),
        (make_step(medium=MediumKind.VIRTUAL), True, {VIRTUAL}),
        (make_step(medium=MediumKind.UNKNOWN), True, {FLASH, VIRTUAL}),
        (make_step(kind=DeviceKind.DM), True, {VIRTUAL}),
        (make_step(kind=DeviceKind.LOOP, medium=MediumKind.LOOP), True, {FILE}),
        (make_step(kind=DeviceKind.IMAGE, medium=MediumKind.FILE), False, {FILE, CACHED}),
        (make_step(kind=DeviceKind.PARTITION), True, {PARTITION}),
        (make_step(passes=(RANDOM, ZEROS)), True, {CONSTANT}),
    ],
)
def test_disclaimers_follow_the_medium(step: Step, direct: bool, said: set[str]) -> None:
    happened = [
        replace(event, direct=direct) if isinstance(event, DeviceOpened) else event
        for event in good_run(make_plan(step))
    ]
    disclaimers = state(happened)["predicate"]["disclaimers"]
    every = (FLASH, VIRTUAL, FILE, PARTITION, CONSTANT, CACHED)
    assert {part for part in every if any(part in sentence for sentence in disclaimers)} == said
    for always in ("HPA", "backups", "memory", "clock", "hypervisor"):
        assert any(always in sentence for sentence in disclaimers)
    assert len(set(disclaimers)) == len(disclaimers)


def edited(statement: dict[str, Any], path: str, value: Any) -> bytes:
    """Change, add, or with None remove, what stands at a dotted path."""
    *folders, last = path.split(".")
    place: Any = statement
    for name in folders:
        place = place[int(name) if name.isdigit() else name]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return statement_bytes(statement)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1"),
        ("predicateType", "urn:shredder:decommission:v2"),
        ("more", "text"),
        ("predicate", None),
        ("predicate", "text"),
        ("predicate.more", "text"),
        ("predicate.headline", None),
        ("predicate.headline", 7),
        ("predicate.devices.0.more", "text"),
        ("predicate.devices.0.passes.0.number", 1),
        ("subject", []),
        ("subject", "evidence.jsonl"),
        ("subject.0.more", "text"),
        ("subject.0.digest.sha512", "00"),
        ("subject.0.digest", {}),
        ("subject.0.name", 7),
        ("subject.0.name", ""),
        ("subject.0.name", ".."),
        ("subject.0.name", "../evidence.jsonl"),
        ("subject.0.name", "/etc/passwd"),
        ("subject.0.name", "a\\b"),
        ("subject.0.name", "a\0b"),
    ],
)
def test_what_is_no_statement_of_ours_is_rejected(path: str, value: Any) -> None:
    with pytest.raises(CertificateError):
        read_statement(edited(state(RUNS["full"]), path, value))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{}", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_rejected(payload: bytes) -> None:
    with pytest.raises(CertificateError):
        read_statement(payload)


def test_two_subjects_are_rejected() -> None:
    statement = state(RUNS["full"])
    with pytest.raises(CertificateError, match="one evidence file"):
        read_subject({**statement, "subject": statement["subject"] * 2})


def test_the_statement_names_the_digest_and_file_it_was_given() -> None:
    statement = make_statement(chain(RUNS["full"]), "cd" * 32, "evidence-2.jsonl")
    subject = read_subject(statement)
    assert (subject.name, subject.sha256) == ("evidence-2.jsonl", "cd" * 32)


# How the certificate reads for people.


@pytest.mark.parametrize("name", RUNS)
def test_the_first_line_is_the_verdict(name: str) -> None:
    statement = state(RUNS[name])
    text = render_text(statement, key_id="ab" * 32, signer="signer not established")
    first = text.splitlines()[0]
    assert first == statement["predicate"]["headline"]
    assert first.startswith("complete: " if statement["predicate"]["outcome"] == "complete" else "FAILED, ")
    assert "signer not established" in text
    assert "ab" * 32 in text
    assert text.endswith("\n")


@pytest.mark.parametrize("name", RUNS)
def test_the_text_says_what_the_statement_says(name: str) -> None:
    predicate = state(RUNS[name])["predicate"]
    text = render_text(state(RUNS[name]), key_id="ab" * 32, signer="not checked")
    flowing = " ".join(text.split())
    for sentence in (*predicate["claims"], *predicate["disclaimers"]):
        assert sentence in flowing
    for device in predicate["devices"]:
        assert f"device {device['path']}: {device['verdict']}" in text
        for problem in device["problems"]:
            assert problem in flowing
        for field in leaves(device["nist"]):
            assert field in flowing
        for refusal in (*device["refusals"], *device["allowed"]):
            assert refusal["detail"] in flowing
    for left in predicate["left_out"]:
        assert left["reason"] in flowing


def test_lines_fit_the_screen() -> None:
    text = render_text(state(RUNS["failed"]), key_id="ab" * 32, signer="not checked")
    ours = text.partition("how to check the signature")[0]
    assert max(map(len, ours.splitlines()[1:])) <= 100


def test_long_lists_of_ranges_are_cut_and_say_where_the_rest_stands() -> None:
    text = render_text(state(RUNS["failed"]), key_id="ab" * 32, signer="not checked")
    assert "missed every pass: 10240 bytes in 20 ranges" in text
    assert "    bytes 1024 to 1535 (512 bytes)" in text
    assert "and 12 more; all of them stand in the certificate's statement and in evidence.jsonl" in text


def test_what_was_not_done_is_told_in_a_word() -> None:
    text = render_text(state(RUNS["never begun"]), key_id="ab" * 32, signer="not checked")
    assert "pass 2 of 2           random: not begun\n" in text
    assert "missed every pass: 1048576 bytes in 1 range\n" in text


def test_what_could_steer_a_terminal_is_shown_instead() -> None:
    nasty = "disk\x1b]0;owned\x07\r\n\u202efake"
    step = make_step(model=nasty, path="/dev/\x1b[2Jsdx")
    text = render_text(state(good_run(make_plan(step))), key_id="ab" * 32, signer="not checked")
    assert all(line.isprintable() for line in text.split("\n"))
    assert r"\x1b]0;owned\x07" in text


def test_names_that_could_steer_a_shell_are_not_put_into_commands() -> None:
    statement = make_statement(chain(RUNS["full"]), "cd" * 32, "x'; reboot; '")
    text = render_text(statement, key_id="ab" * 32, signer="not checked")
    assert "reboot" not in text.partition("how to check the signature")[2]


def test_a_number_that_is_none_is_an_error_of_the_certificate() -> None:
    statement = state(RUNS["failed"])
    statement["predicate"]["devices"][0]["passes"][0]["elapsed_ms"] = "soon"
    with pytest.raises(CertificateError, match="number"):
        render_text(statement, key_id="ab" * 32, signer="not checked")


def test_passes_carry_the_digests_of_their_keys() -> None:
    start = RUNS["full"][0]
    assert isinstance(start, RunStarted)
    passes = read_predicate(state(RUNS["full"])).devices[0].passes
    assert tuple(item.key_sha256 for item in passes) == start.streams[0].key_digests
    assert [item.writes for item in passes] == ["00", "random"]


def test_what_was_not_begun_says_so() -> None:
    happened = [event for event in RUNS["killed"] if not isinstance(event, VerifyStarted | PassEnded)]
    assert any(isinstance(event, PassStarted) for event in happened)
    device = read_predicate(state(happened)).devices[0]
    assert device.verification is None
    assert [item.started_at.startswith("2026") for item in device.passes] == [True, False]
    assert [item.flush for item in device.passes] == ["unavailable: not done"] * 2
