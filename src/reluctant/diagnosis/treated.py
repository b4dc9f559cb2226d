"""Which part of a run is judged, where remedies were applied while it went on."""

from itertools import pairwise

from reluctant.record.run import Run
from reluctant.record.window import window


def since(run: Run) -> tuple[Run, int]:
    """The run from the last remedy that was kept on, and the step at which it begins: 0 for all."""
    step = max((at.step for at in run.interventions if at.kept), default=0)
    first = next((at.index for at in run.samples if at.step >= step), len(run.samples))
    if not 0 < first < len(run.samples):
        return run, 0
    return window(run, first), run.samples[first].step


def stretches(run: Run) -> list[tuple[int, int]]:
    """The samples between remedies that were kept, from which number up to which; all, if none was.

    The last of them is what `since` gives.
    """
    count = len(run.samples)
    if not since(run)[1]:
        return [(0, count)]
    kept = {at.step for at in run.interventions if at.kept}
    firsts = {next((at.index for at in run.samples if at.step >= step), count) for step in kept}
    bounds = [0, *sorted(first for first in firsts if 0 < first < count), count]
    return list(pairwise(bounds))
