"""The named methods: which passes each one writes, in which order.

Where published descriptions of a method disagree, the passes here are those of the table in the
README; the plan, the evidence and the certificate list the passes that were really written.

Decisions on what the descriptions leave open:

- c, c2 and c3 are bytes other than 00 and FF (storage may skip writing zeros), and none of them equals
  another one or its complement, so no constant pass repeats what an earlier one wrote.
- Both HMG IS5 methods count verification as part of the method; without it they cannot be planned.
- Gutmann's 27 fixed passes are shuffled anew for every plan; the 4 random ones before and after stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from shredder.errors import UsageError
from shredder.model import Pass, PassKind
from shredder.plan.draws import Draws

MAX_PASSES = 99
_RANDOM = "random"
_GUTMANN_THREE = ("924924", "492492", "249249")
_GUTMANN_FIXED = (
    *("55", "AA", *_GUTMANN_THREE),
    *(f"{value:02X}" for value in range(0x00, 0x100, 0x11)),
    *(*_GUTMANN_THREE, "6DB6DB", "B6DB6D", "DB6DB6"),
)


@dataclass(frozen=True, slots=True)
class Method:
    """One named method.

    `recipe` holds "random", a pattern in hex, or c, c2, c3 (bytes drawn for the plan) and with "~" their
    complements. `takes_count`: the recipe is repeated as often as asked for. `shuffled`: the fixed passes
    come in an order drawn for the plan.
    """

    name: str
    title: str
    source: str
    recipe: tuple[str, ...]
    verification_required: bool = False
    takes_count: bool = False
    shuffled: bool = False


_ALL = (
    Method("random", "random data", "NIST SP 800-88 Rev. 2, Clear", (_RANDOM,), takes_count=True),
    Method("zero", "zeros", "NIST SP 800-88 Rev. 2, Clear", ("00",)),
    Method("dod-short", "DoD short", "DoD 5220.22-M, method E", ("c", "~c", _RANDOM)),
    Method(
        "dod-ece",
        "DoD seven passes",
        "DoD 5220.22-M, method ECE",
        ("c", "~c", _RANDOM, "c2", "c3", "~c3", _RANDOM),
    ),
    Method("is5-baseline", "HMG IS5 baseline", "HMG Infosec Standard 5", ("00",), verification_required=True),
    Method(
        "is5-enhanced",
        "HMG IS5 enhanced",
        "HMG Infosec Standard 5",
        ("00", "FF", _RANDOM),
        verification_required=True,
    ),
    Method("vsitr", "VSITR", "BSI VSITR (old)", ("00", "FF", "00", "FF", "00", "FF", "AA")),
    Method("ops-ii", "OPS-II", "RCMP TSSIT OPS-II", ("00", "FF", "00", "FF", "00", "FF", _RANDOM)),
    Method("itsg-06", "ITSG-06", "CSEC ITSG-06", ("c", "~c", _RANDOM)),
    Method("schneier", "Schneier", "Schneier, Applied Cryptography", ("FF", "00", *(_RANDOM,) * 5)),
    Method(
        "gutmann",
        "Gutmann",
        "Gutmann, Secure Deletion of Data from Magnetic and Solid-State Memory",
        (*(_RANDOM,) * 4, *_GUTMANN_FIXED, *(_RANDOM,) * 4),
        shuffled=True,
    ),
    Method("bmb21-2019", "BMB21", "BMB21-2019", ("FF", "00", *(_RANDOM,) * 3, "FF")),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _ALL})


def find_method(name: str) -> Method:
    """Return the method of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in METHODS:
        raise UsageError(f'no method "{name}"', hint="known methods: " + ", ".join(METHODS))
    return METHODS[name]


def build_passes(name: str, count: int | None, seed: bytes) -> tuple[Pass, ...]:
    """Return what a method writes; the same arguments give the same passes.

    Args:
        name: a key of METHODS.
        count: how many passes, for a method that takes a count; None for one.
        seed: what the constants and the order are drawn from.

    Raises:
        UsageError: unknown method, or a count that it does not take.
    """
    method = find_method(name)
    recipe = method.recipe * _repetitions(method, count)
    if method.shuffled:
        recipe = _shuffle_fixed(recipe, Draws(seed, "shredder order of fixed passes"))
    constants = _draw_constants(Draws(seed, "shredder constants"))
    return tuple(_make_pass(constants.get(word, word)) for word in recipe)


def _repetitions(method: Method, count: int | None) -> int:
    if count is None:
        return 1
    if not method.takes_count:
        raise UsageError(
            f"method {method.name} has a fixed number of passes ({len(method.recipe)})",
            hint="a number of passes can be given with the method random",
        )
    if not 1 <= count <= MAX_PASSES:
        raise UsageError(f"the number of passes must be from 1 to {MAX_PASSES}, not {count}")
    return count


def _shuffle_fixed(recipe: tuple[str, ...], draws: Draws) -> tuple[str, ...]:
    fixed = [word for word in recipe if word != _RANDOM]
    draws.shuffle(fixed)
    ordered = iter(fixed)
    return tuple(word if word == _RANDOM else next(ordered) for word in recipe)


def _draw_constants(draws: Draws) -> dict[str, str]:
    left = list(range(0x01, 0xFF))
    constants: dict[str, str] = {}
    for name in ("c", "c2", "c3"):
        value = left[draws.below(len(left))]
        left = [other for other in left if other not in (value, value ^ 0xFF)]
        constants |= {name: f"{value:02X}", f"~{name}": f"{value ^ 0xFF:02X}"}
    return constants


def _make_pass(word: str) -> Pass:
    return Pass(PassKind.RANDOM, "") if word == _RANDOM else Pass(PassKind.PATTERN, word.lower())
