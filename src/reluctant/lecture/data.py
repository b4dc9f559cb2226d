"""The images that experiments learn from."""

import gzip
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from reluctant.errors import NoData
from reluctant.extras import needed

FASHION = Path("/usr/share/datasets/fashion-mnist")


class Images(NamedTuple):
    """(n, pixels) inputs of mean 0 and deviation 1, and (n,) labels of ten classes."""

    inputs: Tensor
    labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


def images(name: str, count: int, seed: int) -> Images:
    """`count` images to learn from and up to 1,000 others to test with, drawn with the seed.

    Args:
        name: "digits" for scikit-learn's, 8 by 8 pixels, or "fashion" for Fashion-MNIST.
        count: how many to learn from; of digits there are 1,797 in all.
        seed: which.

    Raises:
        NoData: they are not on this machine.
        NotInstalled: nor is the package that brings them.
    """
    inputs, labels = {"digits": _digits, "fashion": _fashion}[name]()
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    train, test = order[:count], order[count : count + 1000]
    mean, deviation = inputs[train].mean(), inputs[train].std()
    inputs = (inputs - mean) / deviation
    return Images(inputs[train], labels[train], inputs[test], labels[test])


@cache
def _digits() -> tuple[Tensor, Tensor]:
    with needed("sklearn", "The handwritten digits come with scikit-learn", "examples"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    return torch.tensor(digits.data, dtype=torch.float32), torch.tensor(digits.target)


@cache
def _fashion() -> tuple[Tensor, Tensor]:
    images = _idx("train-images-idx3-ubyte", 16).view(-1, 784)
    return images.float(), _idx("train-labels-idx1-ubyte", 8).long()


def _idx(name: str, header: int) -> Tensor:
    """The bytes of an idx file behind its header."""
    path = FASHION / f"{name}.gz"
    if not path.is_file():
        raise NoData(
            f"There is no Fashion-MNIST: {path} is missing.",
            "Install it (Debian: `apt-get install dataset-fashion-mnist`), or give --quick, which "
            "takes scikit-learn's digits.",
        )
    content = gzip.decompress(path.read_bytes())[header:]
    return torch.frombuffer(bytearray(content), dtype=torch.uint8)
