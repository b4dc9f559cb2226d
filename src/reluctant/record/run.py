"""What a run is: its layers, its activation sites, and what was sampled of each over time.

Knows nothing of where the numbers come from; `store` reads them from disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import Column
from reluctant.record.info import RunInfo
from reluctant.words import plural

Floats = NDArray[np.float64] | NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Layer:
    """A weight layer: one parameter of two or more dimensions; its rows are its units.

    `order` is its place among all layers of the model. `inputs` are the sites whose outputs
    reach it without another layer between. In a very large network only every `stride`-th unit
    is read, beginning with the first.
    """

    index: int
    name: str
    kind: str
    shape: tuple[int, ...]
    units: int
    order: int
    inputs: tuple[int, ...] = ()
    stride: int = 1

    @property
    def read(self) -> int:
        """How many of its units are read."""
        return -(-self.units // self.stride)


@dataclass(frozen=True)
class Parameter:
    """One tensor of a model that could be trained, and whether it is.

    `optimized` says that an optimizer has it, `wanted` that it has asked for gradients, `used` that
    a training pass was seen to compute with it, and not to drop the result. `first_gradient` is the
    first sample in which it had a gradient; None if there was none.
    """

    name: str
    shape: tuple[int, ...]
    optimized: bool
    wanted: bool
    used: bool
    first_gradient: int | None = None


@dataclass(frozen=True)
class Head:
    """One place where a loss function of torch is called, as `cross_entropy`.

    Its first argument is the output of the activation `site`, with no layer between; None if of
    none. `behind` names what else squashes it, as `softmax`; '' if nothing does.
    """

    index: int
    function: str
    site: int | None = None
    behind: str = ""


@dataclass(frozen=True)
class Site:
    """One place where an activation function is called, as `features.3:relu`.

    `layer` is the weight layer whose output it receives; None if there is none. `root` is the
    model that made the call ('' if none did). `units` is the number of channels of its input;
    they are the layer's units when `aligned`. `inside` tells whether the call was made by the
    model that owns that layer, and not, say, in a loss. `stride` is as a layer's. `last` tells
    that its output reaches the loss with no layer between.
    """

    index: int
    name: str
    function: int
    layer: int | None
    units: int
    order: int
    root: str = ""
    aligned: bool = True
    inside: bool = True
    stride: int = 1
    last: bool = False

    @property
    def read(self) -> int:
        """How many of its units are read."""
        return -(-self.units // self.stride)


@dataclass(frozen=True)
class Function:
    """The facts of an activation function as they were when the run met it.

    `flat` are the closed intervals of inputs on which its derivative is zero or nearly so.
    `switches_off` says that the function is off (zero output) on the lowest of them, as a
    rectifier is, and not merely saturated. `curve` holds sampled inputs and outputs. `rise` holds
    inputs and outputs between which the function only rises, from end to end; none where it falls
    or is not known so well. `straight` says that it is straight between and beyond them.
    """

    index: int
    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    flat: tuple[tuple[float, float], ...] = ()
    switches_off: bool = False
    zero_centred: bool = False
    curve: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    rise: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    straight: bool = False

    @property
    def label(self) -> str:
        """The name with its parameters, as `leaky_relu(0.01)`."""
        values = ", ".join(f"{value:g}" for value in self.parameters.values())
        return f"{self.name}({values})" if values else self.name


class Link(NamedTuple):
    """One thing on the way to a site that is done to each channel for itself, or a layer.

    `kind` and `number` are: `product`, of a layer's weights with all channels, and its index;
    `repeat`, so many channels where there was one (a flattening); `join`, one where there were so
    many; `zero`, padding with zeros; `average`, of so many positions.
    """

    kind: str
    number: int


@dataclass(frozen=True)
class Way:
    """How the input of a site comes about: by these links, in this order, and by nothing else.

    They begin with the output of the site `source`, or, where that is None, with data. `obstacle`
    is why that cannot be said, a noun phrase; '' if it can.
    """

    site: int
    source: int | None = None
    links: tuple[Link, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class Weights:
    """A layer's weights as they stood at the end of the run.

    `weight` is (U, inputs of a unit, taps), float32; None if they were too large, or gone. `bias`
    is (U,), or None. `rounding` is the unit roundoff of the arithmetic that the layer was computed
    with.
    """

    weight: Floats | None
    bias: Floats | None
    rounding: float


@dataclass(frozen=True)
class Sample:
    """One observed step: everything between two calls of `optimizer.step()`.

    `step` counts the optimizer's steps from 0. `loss` is the mean of what `backward()` was
    called on; None where that was no scalar or was not seen. `optimizers` is how many different
    ones had stepped by then. `skipped` says that a gradient scaler left the step out, because
    gradients had overflowed; none are recorded of it. `observing` is how many of the `seconds`
    since the start observation had taken; None where a record does not tell.
    """

    index: int
    step: int
    optimizer: int
    loss: float | None
    rate: float | None
    seconds: float
    optimizers: int = 1
    skipped: bool = False
    observing: float | None = None


@dataclass(frozen=True)
class SiteSeries:
    """What was seen at a site, over T samples and U units: those that are read.

    `samples` (T,) index the run's samples. `inputs` (T,) counts the examples in those samples,
    `values` (T,) the numbers seen of each unit: one an example, or one a position.
    The rest is (T, U): `fired` counts values outside the flat region; `mean`, `std`, `low` and
    `high` describe the pre-activation; `gradient_in` and `gradient_out` are root mean squares
    of the loss gradient at the function's input and output, NaN where none came back.
    What is large is read from its file when it is asked for, sample by sample or in slices.
    """

    samples: Ints
    inputs: Ints
    values: Ints
    fired: Column
    mean: Column
    std: Column
    low: Column
    high: Column
    gradient_in: Column
    gradient_out: Column


@dataclass(frozen=True)
class HistogramSeries:
    """How a site's inputs are distributed, over T samples; of none where that was not recorded.

    `counts` (T, B) are of numbers that were taken at a fixed stride from the first calls of each
    sample, in the bins of `record.histogram`.
    """

    samples: Ints
    counts: Ints


@dataclass(frozen=True)
class LayerSeries:
    """What was seen of a layer's weight rows in the optimizer's step, over T samples and U units.

    `gradient` and `weight` are Euclidean norms of a row; `update` is |change| / |row| in that
    step, NaN for a row that was zero; `bias` is NaN where the layer has none or it is unknown.
    As with a site, what is large is read when it is asked for.
    """

    samples: Ints
    gradient: Column
    weight: Column
    update: Column
    bias: Column


@dataclass(frozen=True)
class InputSeries:
    """What a layer was fed that nothing trains, such as the data, over T samples; all are (T,).

    `mean`, `std`, `low` and `high` are over all numbers. Of the features (the dimension that the
    weight's columns go along) `constant` is the share that did not vary within the batch, and
    `least` and `most` are the smallest and the largest standard deviation among the others.
    `offset` is the largest |mean| of a feature in standard deviations of that feature.
    """

    samples: Ints
    mean: Floats
    std: Floats
    low: Floats
    high: Floats
    constant: Floats
    least: Floats
    most: Floats
    offset: Floats


@dataclass(frozen=True)
class HeadSeries:
    """What a loss function was given, over T samples; all are (T,).

    Of its first argument and of its target: the mean, the standard deviation, the smallest and
    the largest; a target of class numbers is NaN. `loss` is what it returned, and `constant` the
    loss of the best answer that is the same for the whole batch: the entropy of its classes, or
    the variance of its target. `correct` is the share of the examples whose class the argument
    says, and `commonest` that of the commonest class, which an answer that is the same for all may
    have right. NaN where it is no one number, or no formula is known, or there are no classes.
    """

    samples: Ints
    output_mean: Floats
    output_std: Floats
    output_low: Floats
    output_high: Floats
    target_mean: Floats
    target_std: Floats
    target_low: Floats
    target_high: Floats
    loss: Floats
    constant: Floats
    correct: Floats
    commonest: Floats


@dataclass(frozen=True)
class Intervention:
    """One remedy that was applied while the script ran, or could not be.

    `step` is how many steps were over; `finding` and `cause` are what it was for, `layer` and
    `units` (how many) whom. `measure` names the number that tells its effect: what that was
    `before`, what it was `predicted` to be, and what it was `after`. `kept` is None while it is
    not judged yet, and False where it was undone, or refused: `text` then says why; of a placebo,
    which is never judged, it says what was done.
    """

    index: int
    step: int
    remedy: str
    finding: str
    cause: str
    layer: str | None
    units: int | None
    measure: str
    before: float
    predicted: float
    after: float | None = None
    kept: bool | None = None
    text: str = ""

    @property
    def refused(self) -> bool:
        """Whether nothing was changed by it; what was undone has been judged first."""
        return self.kept is False and self.after is None


class Series(Protocol):
    """Where the numbers come from: a file, or memory."""

    def site(self, index: int) -> SiteSeries:
        """The series of the site with this index."""
        ...

    def histogram(self, index: int) -> HistogramSeries:
        """How the inputs of the site with this index are distributed; empty if that is unknown."""
        ...

    def layer(self, index: int) -> LayerSeries:
        """The series of the layer with this index."""
        ...

    def fed(self, index: int) -> InputSeries:
        """What the layer with this index was fed, if nothing trains that; otherwise empty."""
        ...

    def head(self, index: int) -> HeadSeries:
        """The series of the head with this index."""
        ...

    def weights(self, index: int) -> Weights | None:
        """The last weights of the layer with this index; None if none were kept."""
        ...

    def limits(self, index: int) -> tuple[Floats, Floats] | None:
        """The least and the most of each feature (F,) that the layer was fed as data."""
        ...


@dataclass(frozen=True, repr=False)
class Run:
    """One recorded run. Layers, sites, functions and heads are indexed by their `index`.

    `ways` is empty until the run has ended of itself. A notebook shows what is wrong in it.
    """

    info: RunInfo
    layers: tuple[Layer, ...]
    sites: tuple[Site, ...]
    functions: tuple[Function, ...]
    samples: tuple[Sample, ...]
    series: Series
    path: Path | None = None
    parameters: tuple[Parameter, ...] = ()
    heads: tuple[Head, ...] = ()
    ways: tuple[Way, ...] = ()
    interventions: tuple[Intervention, ...] = ()

    @property
    def steps(self) -> Ints:
        """The step of each sample, (T,)."""
        return np.array([sample.step for sample in self.samples], dtype=np.int64)

    @property
    def losses(self) -> NDArray[np.float64]:
        """The loss at each sample, (T,), NaN where it was not seen."""
        values = [np.nan if sample.loss is None else sample.loss for sample in self.samples]
        return np.array(values, dtype=np.float64)

    def __repr__(self) -> str:
        layers, steps = plural(len(self.layers), "layer"), plural(len(self.samples), "step")
        return f"<reluctant.Run of {self.info.script}, {layers}, {steps} observed, {self.path}>"

    def _repr_html_(self) -> str:
        # By its name: a record knows nothing of diagnosis, which stands above it.
        shown: str = import_module("reluctant.notebook").shown(self)
        return shown
