"""Fresh weights of one layer: orthogonal, or mirrored, so that rectifiers begin as a linear map."""

import torch
from torch import Tensor

# A Gaussian matrix of more rows and columns than this is as good as orthogonal, and sooner made.
MOST_ORTHOGONAL = 1024


def orthogonal(rows: int, columns: int, generator: torch.Generator) -> Tensor:
    """(rows, columns), float64: orthonormal rows, or columns where there are fewer of these.

    Saxe, McClelland and Ganguli 2014, arXiv 1312.6120.
    """
    long, short = max(rows, columns), min(rows, columns)
    normal = torch.randn(
        long, short, generator=generator, dtype=torch.float64, device=generator.device
    )
    if short > MOST_ORTHOGONAL:
        basis = normal / long**0.5
    else:
        basis, triangle = torch.linalg.qr(normal)
        # Without the signs it would not be uniform over all of them.
        basis = basis * triangle.diagonal().sign()
    turned: Tensor = basis if rows >= columns else basis.T
    return turned


def fresh(
    units: int,
    inputs: int,
    taps: int,
    generator: torch.Generator,
    *,
    pairs: bool = False,
    paired: bool = False,
) -> Tensor:
    """(units, inputs, taps), float64: orthogonal over all that a unit reads.

    With `pairs` the second half of the units is the first with its sign turned: of two rectifiers
    one is on, and together they pass everything. Where the inputs are such pairs (`paired`), they
    are read as the number that went in: [[W, -W], [-W, W]] (Balduzzi et al. 2017, arXiv
    1702.08591, section 4). Of an odd number of units the last stands alone, and of an odd number
    of inputs the last is not read at first.
    """
    rows = units // 2 if pairs and units > 1 else units
    columns = inputs // 2 if paired and inputs > 1 else inputs
    half = orthogonal(rows, columns * taps, generator).reshape(rows, columns, taps)
    if columns < inputs:
        half = torch.cat([half, -half, half.new_zeros(rows, inputs - 2 * columns, taps)], dim=1)
    if rows == units:
        return half
    alone = orthogonal(units - 2 * rows, inputs * taps, generator)
    return torch.cat([half, -half, alone.reshape(-1, inputs, taps) * half[0].norm()])
