"""What an activation function is; every other fact about it is derived from this."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf, nextafter
from types import CodeType

import torch
from torch import Tensor

from reluctant.errors import WrongArgument

Interval = tuple[float, float]
Points = tuple[tuple[float, ...], tuple[float, ...]]

# A derivative below this counts as zero: a unit there learns a thousand times more slowly than
# one on a slope of one, which is to say not within the run.
NEARLY_ZERO = 1e-3

# Where a function is not straight it is known at points that lie this far apart: by a twentieth
# up to the end, and beyond, to ten thousand, each so many times as far out as the one before.
_STAIRS_END = 8.0
_STAIR = 1.1
_STAIRS_BEYOND = 76

# Where flat regions are looked for. Beyond, every function of the catalogue keeps the slope it
# has at the end.
_REACH = 64.0


@dataclass(frozen=True, eq=False)
class Activation:
    """One function, elementwise, from a pre-activation z to an output.

    `formula` is the mathematics, as sympy reads it, in z and the names of `parameters`; `latex`
    the same for people. `compute` and `derivative` map a float tensor z, of any shape, and the
    parameters to a tensor of that shape, accurately wherever z is finite; `from_output`, where
    there is one, gives the derivative from the output alone. `parameters` names each with its
    usual value, in the order of torch's arguments; those in `trainable` are learnt.

    `kinks` are the points at which there is no derivative, with the one that is used there.
    `flat` are the closed intervals on which the derivative is exactly zero, where they are known
    exactly; without it they are found from `derivative`. Both may depend on the parameters.
    `switches_off` says that the lowest flat region means "off", output zero, and not saturation.
    `monotone` is whether it never falls, `range` the closed hull of its outputs. `drawn` says that
    its parameters are drawn anew at each call in training, `compute` being the mean.
    `piecewise_linear` is whether it has no second derivative anywhere but at kinks.
    `differentiable` says that torch's own autograd of `compute` is as good as `derivative`.
    `constraints` are conditions on the parameters, as Python writes them.
    `module` is what its class in `nn` is called, `calls` names the functions of torch that compute
    it, as `nn.functional.relu`. `reference` is where it was first written down.
    """

    name: str
    formula: str
    latex: str
    compute: Callable[..., Tensor]
    derivative: Callable[..., Tensor]
    reference: str
    module: str = ""
    aliases: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    trainable: frozenset[str] = frozenset()
    constraints: tuple[str, ...] = ()
    from_output: Callable[..., Tensor] | None = None
    kinks: Callable[..., tuple[tuple[float, float], ...]] = lambda **_: ()
    flat: Callable[..., tuple[Interval, ...]] | None = None
    range: Callable[..., Interval] = lambda **_: (-inf, inf)
    switches_off: bool = False
    zero_centred: bool = False
    monotone: bool = True
    drawn: bool = False
    piecewise_linear: bool = False
    differentiable: bool = False

    def __call__(self, z: Tensor, **parameters: float) -> Tensor:
        """The outputs at `z`, of the same shape."""
        return self.compute(z, **self.values(**parameters))

    def values(self, **parameters: float) -> dict[str, float]:
        """All parameters: these, and for the others their usual values."""
        return {**self.parameters, **parameters}

    def check(self, **parameters: object) -> None:
        """Refuse parameters for which there is no such function; tensors are not looked into.

        Raises:
            WrongArgument: one is not what the formula needs.
        """
        check(self.name, self.constraints, parameters)

    def flat_regions(self, **parameters: float) -> tuple[Interval, ...]:
        """The closed intervals on which the derivative is zero or below `NEARLY_ZERO`.

        Only the two ends of the line count: a function may cross a slope of zero in between
        (SiLU has a minimum) without keeping anyone from learning.
        """
        if self.flat is not None:
            return self.flat(**self.values(**parameters))
        grid = torch.linspace(-_REACH, _REACH, 12_801, dtype=torch.float64, device="cpu")
        slope = self.derivative(grid, **self.values(**parameters))
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

    def rise(self, **parameters: float) -> tuple[Points, bool]:
        """Points between which the function only rises, and whether it is straight there.

        Where it is straight it is so beyond the first and the last point too; otherwise these are
        at minus and plus infinity. No points where it falls somewhere, or its parameters change.
        """
        if not self.monotone or self.trainable or self.drawn:
            return ((), ()), False
        values = self.values(**parameters)
        kinks = sorted(kink for kink, _ in self.kinks(**values)) or [0.0]
        beside = [nextafter(kink, end) for kink in kinks for end in (-inf, inf)]
        jumps = self.compute(_doubles([*kinks, *kinks]), **values) - self.compute(
            _doubles([*beside[::2], *beside[1::2]]), **values
        )
        straight = self.piecewise_linear and bool((jumps.abs() < 1e-12).all())
        if straight:
            z = _doubles([kinks[0] - 1, *kinks, kinks[-1] + 1])
        else:
            far = [_STAIRS_END * _STAIR**step for step in range(_STAIRS_BEYOND)]
            near = torch.linspace(-_STAIRS_END, _STAIRS_END, 321, device="cpu").tolist()
            z = _doubles(sorted({*near, *far, *(-at for at in far), *kinks, *beside}))
        y = self.compute(z, **values)
        if not y.isfinite().all() or (y.diff() < -1e-12).any():
            return ((), ()), False
        xs, ys = z.tolist(), y.tolist()
        if not straight:
            low, high = self.range(**values)
            xs, ys = [-inf, *xs, inf], [low, *ys, high]
        return (tuple(xs), tuple(ys)), straight

    def curve(self, **parameters: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Inputs from -6 to 6 and the outputs there, for a plot."""
        grid = torch.linspace(-6.0, 6.0, 121, dtype=torch.float64, device="cpu")
        return tuple(grid.tolist()), tuple(self(grid, **parameters).tolist())

    def slope_curve(self, **parameters: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Inputs from -6 to 6 and the derivatives there, for a plot."""
        grid = torch.linspace(-6.0, 6.0, 121, dtype=torch.float64, device="cpu")
        slope = self.derivative(grid, **self.values(**parameters))
        return tuple(grid.tolist()), tuple(slope.tolist())


def _doubles(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device="cpu")


@dataclass(frozen=True, eq=False)
class Shaped:
    """A function whose output has another size along one dimension, or depends on all of it.

    `compute` maps a tensor, its parameters and `dim` to the output, by plain operations. `gate`
    names the elementwise function that it opens or shuts half of its input with, if it does;
    `shape` says in words how large the output is.
    """

    name: str
    formula: str
    latex: str
    compute: Callable[..., Tensor]
    reference: str
    module: str
    shape: str
    aliases: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    parameters: Mapping[str, int] = field(default_factory=dict)
    constraints: tuple[str, ...] = ()
    gate: str | None = None
    dim: int = -1

    def check(self, **parameters: object) -> None:
        """Refuse parameters for which there is no such function.

        Raises:
            WrongArgument: one is not what the formula needs.
        """
        check(self.name, self.constraints, parameters)


def check(name: str, constraints: tuple[str, ...], parameters: Mapping[str, object]) -> None:
    """Hold parameters against constraints; what is no plain number is left alone.

    Raises:
        WrongArgument: a constraint does not hold.
    """
    numbers = {key: value for key, value in parameters.items() if isinstance(value, int | float)}
    for constraint in constraints:
        code = _code(constraint)
        given = {key: numbers[key] for key in code.co_names if key in numbers}
        if len(given) == len(code.co_names) and not eval(code, {"__builtins__": {}}, given):
            raise WrongArgument.against(name, constraint, given)


@cache
def _code(constraint: str) -> CodeType:
    return compile(constraint, "<constraint>", "eval")


def spelled(name: str) -> tuple[str, ...]:
    """The usual spellings of a function of torch, in place or not."""
    homes = ("nn.functional.", "", "Tensor.")
    return tuple(f"{home}{name}{ending}" for home in homes for ending in ("", "_"))
