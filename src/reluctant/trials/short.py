"""One short run of a sweep, read from its record."""

from pathlib import Path

import numpy as np

from reluctant.diagnosis.progress import recent, typical
from reluctant.diagnosis.reading import Reading
from reluctant.record.reader import load
from reluctant.record.run import Run
from reluctant.record.sweep import Attempt

# A schedule that has raised the rate by more than this since half of the steps raises it on.
RISEN = 1.1


def attempt(factor: float, seed: int, path: Path, exit_code: int) -> Attempt:
    """Read the record of a run at `factor` times the script's rates.

    Raises:
        RunNotFound, RecordDamaged: there is none that can be read.
    """
    run = load(path)
    first, last, noise = _losses(run)
    reading = Reading(run)
    with np.errstate(all="ignore"):
        sites = [at for at in reading.sites if at.function.switches_off and at.function.flat]
        stuck = [at.stuck for at in sites]
        silent = [int(at.inputs[at.dead].min()) for at in stuck if at.count]
        excess = reading.progress.excess
    rates = [abs(at.rate) for at in run.samples if at.rate is not None]
    return Attempt(
        factor,
        seed,
        str(path),
        exit_code,
        steps=run.info.steps or 0,
        optimizers=run.samples[-1].optimizers if run.samples else 0,
        rate=factor * max(rates) if rates else None,
        rising=bool(rates) and rates[-1] > RISEN * rates[len(rates) // 2],
        first=first,
        last=last,
        noise=noise,
        constant=None if excess is None else _constant(run),
        units=sum(at.dead.size for at in stuck),
        dead=sum(at.count for at in stuck),
        killed=sum(int((at.dead & ~at.born).sum()) for at in stuck),
        silent=min(silent, default=None),
    )


def _losses(run: Run) -> tuple[float | None, float | None, float]:
    """The loss at the start and at the end, and the standard error of what lies between them."""
    seen = [at for at in run.samples if at.loss is not None]
    if not seen:
        return None, None, 0.0
    losses = np.array([at.loss for at in seen], dtype=np.float64)
    late = losses[recent(np.array([at.step for at in seen]))]
    first, last = float(losses[:3].mean()), float(late.mean())
    if not np.isfinite(late).all() or late.size < 2:
        return first, last, 0.0
    spread = float(late.std(ddof=1))
    return first, last, spread * float(np.sqrt(1 / late.size + 1 / 3))


def _constant(run: Run) -> float | None:
    value = typical(run.series.head(run.heads[0].index), "constant")
    return value if np.isfinite(value) and value > 0 else None
