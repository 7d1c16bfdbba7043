"""The plan as a file: JSON with the plan's fields, its format and its digest."""

import json
from typing import Any

from shredder.errors import RefusedError, UsageError
from shredder.model import Plan
from shredder.plan.methods import find_method
from shredder.plan.planner import PLAN_VERSION, Request, check_request, with_passes
from shredder.records import from_json, parse, to_json

PLAN_FORMAT = "shredder-plan"


def write_plan(plan: Plan) -> str:
    """Return the plan as JSON for a file, indented, with the keys "format" and "digest" beside its fields."""
    document = {"format": PLAN_FORMAT, "digest": plan.digest, **to_json(plan)}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_plan(text: str | bytes, where: str) -> Plan:
    """Read what `write_plan` wrote.

    Args:
        text: the file's text.
        where: what the user knows it by, for errors.

    Raises:
        UsageError: it is no plan, or of a version that is not known.
        RefusedError: it is a plan, but not the one that was made.
    """
    data = parse(text, where)
    if not isinstance(data, dict) or data.get("format") != PLAN_FORMAT:
        raise UsageError(f"{where} is not a plan", hint="shredder plan -o FILE makes one")
    if type(data.get("version")) is not int or data["version"] != PLAN_VERSION:
        raise UsageError(f"{where}: plan version {data.get('version')} is not known, only {PLAN_VERSION} is")
    claimed = data.get("digest")
    plan = from_json(Plan, {key: data[key] for key in data if key not in ("format", "digest")}, where)
    _check_digest(plan, claimed, where)
    _check_content(plan, where)
    return plan


def _check_digest(plan: Plan, claimed: Any, where: str) -> None:
    try:
        actual = plan.digest
    except UsageError as error:
        raise UsageError(f"{where}: {error.message}") from None
    if claimed != actual:
        raise RefusedError(f"{where}: the plan was changed after it was made", hint="make a new plan")


def _check_content(plan: Plan, where: str) -> None:
    """Refuse a plan whose digest is right and whose content `plan` would never have made."""
    if len({step.path for step in plan.steps}) != len(plan.steps):
        raise RefusedError(f"{where}: a target stands in it twice")
    counted = find_method(plan.method).takes_count and bool(plan.steps)
    count = len(plan.steps[0].passes) if counted else None
    check_request(Request(plan.method, count, plan.verify, plan.nonce_hex, frozenset(plan.allow)))
    if with_passes(plan, count) != plan:
        raise RefusedError(f"{where}: the passes are not those of method {plan.method}")
    for step in plan.steps:
        for refusal in step.allowed:
            if refusal.kind not in plan.allow:
                raise RefusedError(
                    f'{where}: {step.path} lifts "{refusal.kind}", which the plan does not allow'
                )
