"""How numbers are laid out on an axis."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# From this factor between the largest number and the least on, logarithms are drawn.
WIDE = 30


def logarithmic(values: NDArray[Any]) -> bool:
    """Whether such numbers are better told apart by their logarithms; NaN and infinities aside."""
    known = values[np.isfinite(values)]
    return bool(known.size) and 0 < known.min() * WIDE < known.max()
