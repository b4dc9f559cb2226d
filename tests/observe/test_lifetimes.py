"""What the script lets go of, we let go of."""

import gc
import weakref
from collections.abc import Callable

import torch
from tests.observe.conftest import Watched
from torch import nn


def test_a_model_that_the_script_drops_is_freed(watched: Watched) -> None:
    """As in a cross-validation: the models before would fill the memory."""

    def fold() -> Callable[[], object]:
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(16, 4)).square().mean().backward()
            optimizer.step()
        return weakref.ref(model[0].weight)

    def folds() -> None:
        for _ in range(3):
            gone = fold()
            gc.collect()
            assert gone() is None

    run = watched(folds)
    assert len(run.layers) == 6
