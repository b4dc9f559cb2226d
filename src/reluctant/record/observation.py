"""What one sample brings to the record: numbers per unit, and what was met for the first time."""

from dataclasses import dataclass
from typing import NamedTuple

from reluctant.record.blobs import Array
from reluctant.record.run import Function, Head, Sample, Way


@dataclass(frozen=True)
class NewLayer:
    """A layer met for the first time; `root` is the model that owns it ('' if none)."""

    index: int
    name: str
    root: str
    kind: str
    shape: tuple[int, ...]
    units: int
    position: int
    stride: int = 1


@dataclass(frozen=True)
class NewSite:
    """A site met for the first time; `root` is the outermost module on the stack ('' if none)."""

    index: int
    name: str
    root: str
    function: int
    layer: int | None
    units: int
    aligned: bool
    inside: bool
    stride: int = 1


class SiteRow(NamedTuple):
    """One site in one sample; the arrays are (U,)."""

    site: int
    inputs: int
    values: int
    fired: Array
    mean: Array
    std: Array
    low: Array
    high: Array
    gradient_in: Array | None
    gradient_out: Array | None
    histogram: Array | None = None  # (B,)


class LayerRow(NamedTuple):
    """One layer in one sample; the arrays are (U,), or a part of it that begins with `first`."""

    layer: int
    gradient: Array
    weight: Array
    update: Array
    bias: Array | None
    first: int = 0


@dataclass(frozen=True)
class NewParameter:
    """A parameter as it stands now, `root` the model that owns it; replaces what was known."""

    name: str
    root: str
    shape: tuple[int, ...]
    optimized: bool
    wanted: bool
    used: bool
    first_gradient: int | None


class InputRow(NamedTuple):
    """What a layer was fed in one sample: the numbers of `InputSeries`, in their order."""

    layer: int
    numbers: tuple[float, ...]


class HeadRow(NamedTuple):
    """What a head was given in one sample: the numbers of `HeadSeries`, in their order."""

    head: int
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Observation:
    """All that is written of one sample or not at all: what it saw, and what it met first."""

    sample: Sample
    layers: tuple[NewLayer, ...] = ()
    functions: tuple[Function, ...] = ()
    sites: tuple[NewSite, ...] = ()
    feeds: tuple[tuple[int, int], ...] = ()
    site_rows: tuple[SiteRow, ...] = ()
    layer_rows: tuple[LayerRow, ...] = ()
    outputs: tuple[int, ...] = ()
    parameters: tuple[NewParameter, ...] = ()
    heads: tuple[Head, ...] = ()
    input_rows: tuple[InputRow, ...] = ()
    head_rows: tuple[HeadRow, ...] = ()


class LastWeights(NamedTuple):
    """What `Weights` says of a layer; the bias is (U,)."""

    layer: int
    weight: Array | None
    bias: Array | None
    rounding: float


class Limits(NamedTuple):
    """The least and the most of each feature that a layer was fed as data; both are (F,)."""

    layer: int
    low: Array
    high: Array


@dataclass(frozen=True)
class Ending:
    """What is written once, when the run has ended."""

    ways: tuple[Way, ...] = ()
    weights: tuple[LastWeights, ...] = ()
    limits: tuple[Limits, ...] = ()
