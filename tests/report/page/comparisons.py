"""Hand-built comparisons to make pages of."""

from collections.abc import Callable
from dataclasses import replace
from math import exp, tanh

from tests.report.page.subjects import HOSTILE

from reluctant.record.comparison import Candidate, Comparison
from reluctant.record.contest import Contest, Entrant
from reluctant.record.discovery import Discovery, Found
from reluctant.report.page import contest as contest_page
from reluctant.report.page import discovery as discovery_page
from reluctant.report.page.sheet import Drawn

AXIS = tuple(at / 10 for at in range(-60, 61))
CURVES = {
    "relu": lambda z: max(z, 0.0),
    "prelu": lambda z: max(z, 0.25 * z),
    "silu": lambda z: z / (1 + exp(-z)),
    "tanh": tanh,
    "max(z, tanh(z))": lambda z: max(z, tanh(z)),
    "silu(z)": lambda z: z / (1 + exp(-z)),
}


def curve(name: str, function: Callable[[float], float]) -> Drawn:
    slope = tuple((function(z + 1e-4) - function(z - 1e-4)) / 2e-4 for z in AXIS)
    flat = ((float("-inf"), 0.0),) if name == "relu" else ()
    values = tuple(map(function, AXIS))
    return {"name": name, "curve": (AXIS, values), "slope": (AXIS, slope), "flat": flat}


DRAWN = {name: curve(name, function) for name, function in CURVES.items()}

# Of prelu all pairs, of silu one that came to nothing, of tanh those before it was stopped.
PRELU = tuple(0.03 + 0.01 * (at * 7 % 5 - 2) for at in range(9))
SILU = (0.02, -0.01, None, 0.03, -0.02, 0.0, 0.03, -0.01, 0.005)
TANH = (-0.08, -0.12, -0.09, -0.11, *[None] * 5)

COMPARED = Comparison(
    "accuracy",
    "high",
    "baseline",
    0.9,
    (
        Candidate("tanh", 4, 0.8, -0.1, -0.3, -0.05, "worse", 0.03, TANH),
        Candidate("silu", 8, 0.905, 0.0056, -0.02, 0.06, "no difference shown", 0.025, SILU),
        Candidate("prelu", 9, 0.93, 0.03, 0.01, 0.06, "better", 0.02, PRELU),
    ),
)

FOUND = Comparison(
    "training loss",
    "low",
    "as it stands",
    0.75,
    (
        Candidate("max(z, tanh(z))", 5, 0.5, -0.25, -0.3, -0.2, "better", 0.08,
                  (-0.27, -0.25, -0.21, -0.28, -0.24)),
        Candidate("silu(z)", 5, 0.8, 0.05, -0.1, 0.2, "no difference shown", 0.2,
                  (0.2, -0.1, 0.05, 0.1, 0.0)),
    ),
)  # fmt: skip


def contest() -> Contest:
    """One is better, of one no difference is shown, and one was stopped."""
    return Contest(
        "train.py",
        ("--epochs", "4"),
        False,
        "/runs/contest",
        COMPARED,
        "the last in the script's output",
        ("relu",),
        ("relu",),
        tuple(range(5, 14)),
        9,
        (
            Entrant("baseline", 9, None, 0.0012, 300e6, 12.0, 4.0),
            Entrant("tanh", 4, -3.0, 0.0013, None, None, None, 1.0,
                    "stopped after 4 seeds, hardly to be shown better any more"),
            Entrant("silu", 9, 0.1, 0.0014, 310e6, 0.0, 8.0),
            Entrant("prelu", 9, 1.2, 0.0015, 310e6, None),
        ),
        ("silu with seed 7 ran out of memory, and is left out: /runs/contest/silu-7.txt",),
        {"baseline": ("/runs/contest/baseline-5",)},
    )  # fmt: skip


def few() -> Contest:
    """One pair, and rates that were tuned: hardly anything to be said."""
    known = contest()
    one = Candidate("silu", 1, 0.9, 0.01, None, None, "no difference shown", None, (0.01, None))
    entrants = (Entrant("baseline", 2, None, None, None, None, None, 3.0), Entrant("silu", 1, None,
                None, None, None))  # fmt: skip
    comparison = replace(COMPARED, candidates=(one,))
    return replace(
        known, comparison=comparison, entrants=entrants, seeds=(0, 1), reached=1, limits=()
    )


def many() -> Contest:
    """Long names, many seeds, and an interval that goes far beyond the others."""
    names = [f"max(z, a * tanh({at} * z) - sigmoid(b * z)) + softplus(z)" for at in range(12)]
    differences = tuple(0.01 * ((at * 5) % 7 - 3) for at in range(50))
    some = [
        Candidate(name, 50, 1.0, 0.001 * at, -3.0 if at == 3 else -0.02, 0.02 + 0.001 * at,
                  "no difference shown", 0.02, differences)
        for at, name in enumerate(names)
    ]  # fmt: skip
    entrants = (contest().entrants[0], *(Entrant(name, 50, 0.1, 1e-3, 1e8, 1.0) for name in names))
    return replace(
        contest(),
        comparison=replace(COMPARED, candidates=tuple(some)),
        entrants=entrants,
        seeds=tuple(range(50)),
    )


def hostile() -> Contest:
    """Every name in it is an attack."""
    known = contest()
    last = known.comparison.candidates[-1]
    names = {last.name: HOSTILE}
    candidates = tuple(
        replace(at, name=names.get(at.name, at.name)) for at in known.comparison.candidates
    )
    return replace(
        known,
        script=HOSTILE,
        arguments=(HOSTILE,),
        path=HOSTILE,
        comparison=replace(known.comparison, metric=HOSTILE, candidates=candidates),
        metric_said=HOSTILE,
        replaced=(HOSTILE,),
        same=(HOSTILE,),
        entrants=tuple(
            replace(at, name=names.get(at.name, at.name), stopped=at.stopped and HOSTILE)
            for at in known.entrants
        ),
        limits=(HOSTILE,),
    )


def discovery() -> Discovery:
    """A search that found something."""
    define = 'reluctant.register("found_1", reluctant.expression("max(z, tanh(z))"))'
    return Discovery(
        "train.py",
        ("--epochs", "3"),
        False,
        "/runs/found",
        ("relu",),
        FOUND,
        5,
        (Found("max(z, tanh(z))", define, (), 3.0),),
        40,
        60,
        3,
        {"It was ended after 60 s.": 1, "It failed with exit code 1: boom": 2},
        5400.0,
    )


def hostile_discovery() -> Discovery:
    """The same of a search."""
    known = discovery()
    first, second = FOUND.candidates
    return replace(
        known,
        script=HOSTILE,
        path=HOSTILE,
        replaced=(HOSTILE,),
        comparison=replace(FOUND, candidates=(replace(first, name=HOSTILE), second)),
        found=(Found(HOSTILE, HOSTILE, (), 1.0),),
        why={HOSTILE: 1},
    )


def drawn(*names: str) -> dict[str, Drawn]:
    """Their curves, a hostile one among them."""
    known = {HOSTILE: {**DRAWN["prelu"], "name": HOSTILE}, **DRAWN}
    return {name: known[name] for name in names if name in known}


def page(name: str) -> str:
    """The page of one of these."""
    if name.endswith("discovery"):
        found = {"discovery": discovery, "hostile_discovery": hostile_discovery}[name]()
        curves = drawn(*found.replaced, *(at.name for at in found.comparison.candidates))
        return discovery_page.render(found, curves)
    made = {"contest": contest, "few": few, "many": many, "hostile_contest": hostile}[name]()
    curves = drawn(*made.replaced, *(at.name for at in made.comparison.candidates))
    return contest_page.render(made, curves)


ALL = ("contest", "few", "many", "discovery")
HOSTILES = ("hostile_contest", "hostile_discovery")
