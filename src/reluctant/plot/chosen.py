"""Which layers of a run are drawn, and which of their units are dead when."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from reluctant.diagnosis.dead import counted
from reluctant.diagnosis.reading import Mask, Reading, SiteReading
from reluctant.diagnosis.treated import stretches
from reluctant.errors import WrongArgument
from reluctant.record.run import Run
from reluctant.record.window import window

Named = TypeVar("Named")


def sites(run: Run, layers: Iterable[str] | str | None = None) -> dict[str, SiteReading]:
    """The activations behind these layers, or all, by name, in the order of the forward pass.

    Raises:
        WrongArgument: there are none, or one of the layers has none.
    """
    found = Reading(run).sites
    times = Counter(site.label for site in found)
    # Where two functions are called on one layer's output, each has the name of its call.
    known = {site.label if times[site.label] == 1 else site.sites[0].name: site for site in found}
    if not known:
        raise WrongArgument(
            "No activation function was seen in this run.",
            "Draw its `loss` or its `update_ratios`, or run it with `--observe all`.",
        )
    return named(known, layers)


def named(known: dict[str, Named], names: Iterable[str] | str | None) -> dict[str, Named]:
    """Those of these names, or all.

    Raises:
        WrongArgument: one of the names is not known.
    """
    if names is None:
        return known
    names = [names] if isinstance(names, str) else list(names)
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise WrongArgument(
            f"There is no layer {missing[0]!r} to draw." if missing else "No layer is named.",
            f"There are: {', '.join(known)}.",
        )
    return {name: known[name] for name in names}


def spread(things: Sequence[Named], most: int) -> list[Named]:
    """Of more than `most` these, from the first to the last."""
    if len(things) <= most:
        return list(things)
    return [things[at] for at in np.linspace(0, len(things) - 1, most).round().astype(int)]


@dataclass(frozen=True)
class Silence:
    """Which units of a site are dead in one part of a run: in (U,) `dead`, from sample `since` on.

    Saturated, where the function does not switch off. The part ends before the sample `end`.
    """

    dead: Mask
    since: NDArray[np.int64]
    end: int

    def at(self, sample: int) -> Mask:
        """(U,): who is dead in a sample of this part."""
        return self.dead & (self.since <= sample)


def silences(run: Run, found: Mapping[str, SiteReading]) -> dict[str, list[Silence]]:
    """The dead units of each of these, in each part of the run.

    A part ends where a remedy begins that was kept: as in the verdict, each is judged by itself.
    """
    names = {site.sites[0].index: name for name, site in found.items()}
    parts: dict[str, list[Silence]] = {name: [] for name in found}
    for first, end in stretches(run):
        reading = Reading(window(run, first, end))
        for site in reading.sites:
            if site.sites[0].index in names:
                stuck = counted(reading, site).stuck
                # Who is not silent is so from after the last sample on.
                samples = np.append(first + site.series.samples, end)
                silence = Silence(stuck.dead, samples[stuck.since], end)
                parts[names[site.sites[0].index]].append(silence)
    return parts


def word(sites: Iterable[SiteReading]) -> str:
    """What those are called that are silent, or always the same."""
    words = {"dead" if site.function.switches_off else "saturated" for site in sites}
    return " or ".join(sorted(words))
