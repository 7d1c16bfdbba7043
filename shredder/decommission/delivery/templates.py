"""Addresses with places for the run, the file and the machine, e.g. `https://host/{run_id}/{file}`. Pure."""

import re
from collections.abc import Iterable

RUN_ID = "{run_id}"
FILE = "{file}"
HOSTNAME = "{hostname}"

_BRACES = re.compile(r"\{[^{}]*\}|[{}]")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def find_foreign(template: str, known: Iterable[str]) -> str | None:
    """Return the first brace or placeholder in a template that is none of the known ones."""
    allowed = frozenset(known)
    return next((found for found in _BRACES.findall(template) if found not in allowed), None)


def fill(template: str, *, run_id: str, hostname: str, file: str = "") -> str:
    """Return the template with its placeholders filled in.

    Args:
        template: its placeholders are known.
        run_id: names the run.
        hostname: what the machine calls itself; anything that could mean another folder is taken out.
        file: the name of the file that is delivered.
    """
    host = _UNSAFE.sub("-", hostname).strip(".") or "unnamed"
    return template.replace(RUN_ID, run_id).replace(FILE, file).replace(HOSTNAME, host)
