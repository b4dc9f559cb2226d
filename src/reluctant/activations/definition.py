"""What an activation function is; every other fact about it is derived from this."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor

Interval = tuple[float, float]

# A derivative below this counts as zero: a unit there learns a thousand times more slowly than
# one on a slope of one, which is to say not within the run.
NEARLY_ZERO = 1e-3

# Where flat regions are looked for. Beyond, every function of the catalogue keeps the slope it
# has at the end.
_REACH = 64.0


@dataclass(frozen=True)
class Activation:
    """One function, elementwise, from a pre-activation to an output.

    `formula` maps a float64 tensor and the values of `parameters` to the outputs.
    `calls` names the functions of torch that compute it, as `nn.functional.relu`; their first
    argument is the pre-activation, and `parameters` gives for each further one, in order, its
    name and default.
    `flat` are the closed intervals on which the derivative is exactly zero, where they are
    known exactly, from the parameters; without it they are found from the formula.
    `switches_off` says that the lowest flat region means "off", output zero, and not saturation.
    """

    name: str
    formula: Callable[..., Tensor]
    calls: tuple[str, ...]
    parameters: Mapping[str, float] = field(default_factory=dict)
    flat: Callable[..., tuple[Interval, ...]] | None = None
    switches_off: bool = False
    zero_centred: bool = False

    def __call__(self, z: Tensor, **parameters: float) -> Tensor:
        """The outputs at `z`, of the same shape."""
        return self.formula(z, **{**self.parameters, **parameters})

    def flat_regions(self, **parameters: float) -> tuple[Interval, ...]:
        """The closed intervals on which the derivative is zero or below `NEARLY_ZERO`.

        Only the two ends of the line count: a function may cross a slope of zero in between
        (SiLU has a minimum) without keeping anyone from learning.
        """
        if self.flat is not None:
            return self.flat(**{**self.parameters, **parameters})
        grid = torch.linspace(-_REACH, _REACH, 12_801, dtype=torch.float64)
        step = 1e-4
        slope = (self(grid + step, **parameters) - self(grid - step, **parameters)) / (2 * step)
        (steep,) = torch.nonzero(slope.abs() >= NEARLY_ZERO, as_tuple=True)
        if len(steep) == 0:
            return ((-inf, inf),)
        first, last = int(steep[0]), int(steep[-1])
        regions: list[Interval] = []
        if first > 0:
            regions.append((-inf, float(grid[first - 1])))
        if last < len(grid) - 1:
            regions.append((float(grid[last + 1]), inf))
        return tuple(regions)

    def curve(self, **parameters: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Inputs from -6 to 6 and the outputs there, for a plot."""
        grid = torch.linspace(-6.0, 6.0, 121, dtype=torch.float64)
        return tuple(grid.tolist()), tuple(self(grid, **parameters).tolist())
