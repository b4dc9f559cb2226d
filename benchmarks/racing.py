"""Whether a race of candidates is as honest, and as sharp, as it says: by simulation.

    python -m benchmarks.racing [--replays 2000] [--seeds 20]

Each replay is a comparison of 8 candidates, by the very rules of `reluctant compare`. Paired
differences spread by 0.29, half of their variance the baseline's. In an A/A replay no candidate
differs from the baseline; in the others one is better by 0.25.
"""

from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from reluctant.record.comparison import Candidate
from reluctant.trials.racing import Race

CANDIDATES, SEEDS, SPREAD, GAIN = 8, 20, 0.29, 0.25

Noise = Callable[..., NDArray[np.float64]]


@dataclass(frozen=True)
class Replay:
    """One simulated comparison: what was said of each, and how far it is better in truth."""

    candidates: tuple[Candidate, ...]
    truth: tuple[float, ...]

    @property
    def found(self) -> bool:
        """Whether all that is better was shown to be."""
        pairs = zip(self.candidates, self.truth, strict=True)
        return all(at.verdict == "better" for at, gain in pairs if gain > 0)

    @property
    def false(self) -> bool:
        """Whether one was called better that is not."""
        pairs = zip(self.candidates, self.truth, strict=True)
        return any(at.verdict == "better" for at, gain in pairs if gain <= 0)

    @property
    def holds(self) -> bool:
        """Whether all intervals hold the truth."""
        pairs = zip(self.candidates, self.truth, strict=True)
        return all(
            (at.low is None or at.low <= gain) and (at.high is None or at.high >= gain)
            for at, gain in pairs
        )

    @property
    def bias(self) -> float:
        """By how much the gain reported for the one that looks best is too large."""
        pairs = zip(self.candidates, self.truth, strict=True)
        gain, truth = max((at.difference or 0.0, gain) for at, gain in pairs)
        return gain - truth

    @property
    def seeds(self) -> float:
        """How many a candidate took."""
        return fmean(at.n for at in self.candidates)


def replay(noise: Noise, gains: tuple[float, ...], seeds: int = SEEDS) -> Replay:
    """Race candidates that differ from the baseline by these gains."""
    race = Race(len(gains), seeds, "high")
    own = noise(seeds, len(gains)) * SPREAD / sqrt(2)
    baseline = noise(seeds, 1) * SPREAD / sqrt(2)
    differences = own - baseline + np.array(gains)
    ended = [_raced(race, list(map(float, column))) for column in differences.T]
    return Replay(tuple(ended), gains)


def _raced(race: Race, differences: list[float]) -> Candidate:
    for n in range(1, len(differences)):
        if race.lost(differences[:n]):
            return race.judge("", differences[:n], None, last=False)
    return race.judge("", differences, None, last=True)


def noises(generator: np.random.Generator) -> dict[str, Noise]:
    """What seeds do, each with a mean of 0 and a variance of 1."""
    return {
        "normal": lambda *shape: generator.standard_normal(shape),
        "heavy tails (t, 3)": lambda *shape: generator.standard_t(3, shape) / sqrt(3),
        "skewed (exponential)": lambda *shape: generator.standard_exponential(shape) - 1,
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--replays", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    args = parser.parse_args()
    n = args.replays
    generator = np.random.default_rng(0)
    print(f"{CANDIDATES} candidates, up to {args.seeds} seeds, n = {n} replays a line\n")
    print("| noise | gain of one | found | false winners | all intervals hold | seeds | bias |")
    print("|---|---|---|---|---|---|---|")
    for name, noise in noises(generator).items():
        for gain in (0.0, GAIN):
            gains = (gain, *[0.0] * (CANDIDATES - 1))
            done = [replay(noise, gains, args.seeds) for _ in range(n)]
            found = f"{fmean(at.found for at in done):.1%}" if gain else ""
            print(
                f"| {name} | {gain} | {found} | {fmean(at.false for at in done):.1%} "
                f"| {fmean(at.holds for at in done):.1%} | {fmean(at.seeds for at in done):.1f} "
                f"| {fmean(at.bias for at in done):+.3f} |"
            )


if __name__ == "__main__":
    main()
