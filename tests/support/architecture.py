"""The rules of the house, as a check on the imports of its modules."""

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

_FLOORS: dict[int, tuple[frozenset[str], ...]] = {
    1: (frozenset(("errors", "units", "ranges", "records", "settings", "statx")),),
    2: (frozenset(("model", "events", "log_model", "log_policy", "log_events")),),
    3: tuple(frozenset((room,)) for room in ("discover", "plan", "erase", "certify")),
    4: tuple(frozenset((room,)) for room in ("decommission", "image", "logs")),
    5: (frozenset(("cli", "__main__")),),
}
_EFFECTS = frozenset(("os", "time", "datetime", "subprocess", "random", "secrets", "socket", "pathlib"))
_SHELL = frozenset(("click", "tqdm"))


def read_sources(package: Path) -> dict[str, str]:
    """Return the source of each module under `package`, by its dotted name."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text(encoding="utf-8")
    return found


def violations(sources: Mapping[str, str]) -> list[str]:
    """Return what breaks the rules, one sentence each.

    Args:
        sources: the text of each module of `shredder`, by its dotted name.
    """
    graph = {name: set(_imports(name, text, sources)) for name, text in sources.items()}
    found = [said for name in sorted(graph) for said in _judge_module(name, sorted(graph[name]))]
    inside = {name: {other for other in graph[name] if other in sources} for name in graph}
    try:
        TopologicalSorter(inside).prepare()
    except CycleError as error:
        found.append("cycle: " + " -> ".join(error.args[1]))
    return found


def house_block(text: str) -> set[str]:
    """Return the paths that the fenced block titled `house` names; folders end in a slash."""
    block = re.search(r"^```[^\n]*\bhouse\b[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\bshredder/[\w/]*(?:\.py\b)?", block[1])) if block else set()


def _judge_module(name: str, imported: list[str]) -> Iterator[str]:
    at = _place(name)
    if at is None:
        yield f"{name} stands on no floor"
        return
    for other in imported:
        top = other.partition(".")[0]
        if top == "shredder":
            yield from _judge_step(name, at, other)
        elif top in _EFFECTS and name.split(".")[1:2] == ["plan"]:
            yield f"{name} imports {other}: plan is pure"
        elif top in _SHELL and at[0] < 5:
            yield f"{name} imports {other}: that belongs to the shell"


def _judge_step(name: str, at: tuple[int, int], other: str) -> Iterator[str]:
    to = _place(other)
    if to is None:
        yield f"{name} imports {other}, which stands on no floor"
    elif to[0] > at[0]:
        yield f"{name} (floor {at[0]}) imports {other} (floor {to[0]})"
    elif to[0] == at[0] and to != at:
        yield f"{name} imports {other}: strangers on floor {at[0]}"


def _place(name: str) -> tuple[int, int] | None:
    """Return floor and room; the package itself, which holds the version, lies below all floors."""
    parts = name.split(".")
    if len(parts) == 1:
        return (0, 0)
    for floor, rooms in _FLOORS.items():
        for number, room in enumerate(rooms):
            if parts[1] in room:
                return (floor, number)
    return None


def _imports(name: str, text: str, sources: Mapping[str, str]) -> Iterator[str]:
    is_package = any(other.startswith(name + ".") for other in sources)
    for node in ast.walk(ast.parse(text, filename=name)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(name, node, is_package)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in sources else base


def _base(name: str, node: ast.ImportFrom, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = name.split(".")
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])
