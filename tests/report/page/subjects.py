"""Hand-built runs to make pages of: one for each that a page has to do justice to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.records import FUNCTIONS, INPUTS, Memory, a_run

from reluctant.cli.report import subject
from reluctant.record.info import RunInfo
from reluctant.record.run import Function, Intervention, Run
from reluctant.report.page.subject import Subject

# In the dying run these units of the second layer are silent from the seventh sample on.
DYING_LAYER, DYING_UNITS, DIES_AT = 1, tuple(range(3, 17)), 6
# In the healed run they are revived before the eleventh.
HEALED_AT = 10

AXIS = tuple(np.linspace(-6, 6, 25).tolist())
RELU = replace(FUNCTIONS["relu"], curve=(AXIS, tuple(max(z, 0.0) for z in AXIS)))

HOSTILE = "<img src=x onerror=alert(1)>\"'</script><b>bold</b>"


def _firing(count: int, units: int, until: int | None = None) -> dict[str, np.ndarray]:
    """Units that fire each at a rate of its own, some of them silent from a sample on."""
    rates = np.linspace(20, 180, units).astype(np.int64)
    fired = np.tile(rates, (count, 1))
    low = {"mean": np.zeros((count, units)), "high": np.full((count, units), 3.0)}
    last = count if until is None else until
    for name, silent in (("mean", -5.0), ("high", -2.0)):
        low[name][DIES_AT:last, DYING_UNITS] = silent
    fired[DIES_AT:last, DYING_UNITS] = 0
    return {"fired": fired, **low}


def _run(**more: object) -> Run:
    run = a_run(**more)  # type: ignore[arg-type]
    functions: tuple[Function, ...] = (RELU,) if run.functions[0].name == "relu" else run.functions
    return replace(run, functions=functions)


def healthy() -> Subject:
    fired = np.tile(np.linspace(20, 180, 20), (20, 1))
    return subject(_run(depth=3, sites={0: {"fired": fired}}))


def dying() -> Subject:
    losses = [2.3] * 8 + [2.31] * 12
    return subject(_run(depth=3, sites={DYING_LAYER: _firing(20, 20)}, losses=losses))


def healed() -> Subject:
    run = _run(depth=3, sites={DYING_LAYER: _firing(20, 20, HEALED_AT)})
    step = run.samples[HEALED_AT].step
    done = Intervention(0, step, "revive", "dead-units", "drifted", "layer1", len(DYING_UNITS),
                        "dead", 14, 0, 0, True)  # fmt: skip
    return subject(replace(run, interventions=(done,)))


def empty() -> Subject:
    run = a_run(depth=1)
    info = RunInfo("nothing.py", exit_code=0, seconds=0.4, steps=0)
    return subject(Run(info, (), (), (), (), run.series))


def huge() -> Subject:
    """Many layers, more units than rows, more samples than columns."""
    layers, units, count = 60, 600, 300
    steps = range(0, 4 * count, 4)
    half = np.linspace(1, INPUTS, units).astype(np.int64)
    fired = np.tile(half, (count, 1))
    fired[np.arange(count)[:, None] >= np.linspace(0, 2 * count, units)[None, ::-1]] = 0
    run = _run(depth=2, units=units, steps=steps, sites={0: {"fired": fired}})
    memory = run.series
    assert isinstance(memory, Memory)
    deep = Memory(
        {at: memory.sites[at % 2] for at in range(layers)},
        dict.fromkeys(range(layers), memory.layers[0]),
    )
    first, site = run.layers[0], run.sites[0]
    made = tuple(
        replace(first, index=at, name=f"layers.{at}", order=at, inputs=(at - 1,) * (at > 0))
        for at in range(layers)
    )
    sites = tuple(
        replace(site, index=at, name=f"layers.{at}:relu", layer=at, order=at)
        for at in range(layers)
    )
    return subject(replace(run, layers=made, sites=sites, series=deep))


def hostile() -> Subject:
    """Every name in it is an attack."""
    run = _run(depth=2, sites={0: {"fired": 0, "high": -1.0, "mean": -4.0}}, losses=[2.3] * 20)
    info = replace(
        run.info, script=HOSTILE, arguments=(HOSTILE,), host=HOSTILE, cwd=HOSTILE, model=HOSTILE,
        git_commit=HOSTILE, swaps=(HOSTILE,), failure=HOSTILE,
    )  # fmt: skip
    layers = tuple(replace(at, name=f"{HOSTILE}{at.index}", kind=HOSTILE) for at in run.layers)
    done = Intervention(0, 50, HOSTILE, HOSTILE, HOSTILE, HOSTILE, None, HOSTILE, 1, 0, 0, None,
                        HOSTILE)  # fmt: skip
    return subject(
        replace(
            run,
            info=info,
            layers=layers,
            path=Path("/runs") / HOSTILE.replace("/", "-"),
            functions=(replace(RELU, name=HOSTILE),),
            interventions=(done,),
        )
    )


ALL = {"healthy": healthy, "dying": dying, "healed": healed, "empty": empty, "huge": huge}
