"""What a search for a new function came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reluctant.record.comparison import Comparison


@dataclass(frozen=True)
class Found:
    """One function that a search left over: how it is written, and the line that defines it.

    `parameters` are learnt. `cost` is in elementwise passes; a ReLU's is one.
    """

    function: str
    define: str
    parameters: tuple[str, ...]
    cost: float


@dataclass(frozen=True)
class Discovery:
    """A search that has ended.

    `comparison` is of seeds that the search never used: their number is `seeds`. `found` are in
    the order in which the search left them, which was settled before those seeds were run: the
    first is its answer. `replaced` are the functions whose place they took. `tried` counts
    functions, `runs` the runs of the search, and `failed` those, the judging ones among them,
    that came to no number; `why` says how, with how many of each. `factors` are what learning rates
    were multiplied by, for each by its name in the comparison; none where they were left alone.
    """

    script: str
    arguments: tuple[str, ...]
    module: bool
    path: str
    replaced: tuple[str, ...]
    comparison: Comparison
    seeds: int
    found: tuple[Found, ...]
    tried: int
    runs: int
    failed: int
    why: Mapping[str, int]
    seconds: float
    factors: Mapping[str, float] = field(default_factory=dict)
