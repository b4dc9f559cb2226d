"""The loss of the best constant answer is that over all data, though read off small batches."""

from collections.abc import Callable
from math import log

import pytest
import torch
from tests.observe.conftest import Watched
from torch import Tensor, nn
from torch.nn import functional as F

BATCH = 8
Loss = Callable[[Tensor, Tensor], Tensor]
ENTROPY = -(0.2 * log(0.2) + 0.8 * log(0.8))


def classes(share: float) -> Tensor:
    return (torch.rand(BATCH) < share).long()


# A loss, what draws a batch of its targets, and what the best constant answer costs of all.
HEADS: dict[str, tuple[Loss, Callable[[], Tensor], float]] = {
    "classes": (F.cross_entropy, lambda: classes(0.5), log(2)),
    "uneven classes": (F.cross_entropy, lambda: classes(0.2), ENTROPY),
    "shares of classes": (F.cross_entropy, lambda: F.one_hot(classes(0.5), 2).float(), log(2)),
    "yes or no": (
        F.binary_cross_entropy_with_logits,
        lambda: torch.stack([classes(0.5), classes(0.2)], 1).float(),
        (log(2) + ENTROPY) / 2,
    ),
    "numbers": (F.mse_loss, lambda: 3 * torch.randn(BATCH, 2), 9.0),
}


@pytest.mark.parametrize("name", HEADS)
def test_small_batches_do_not_flatter_a_constant_answer(watched: Watched, name: str) -> None:
    loss, draw, true = HEADS[name]

    def train() -> None:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        for _ in range(800):
            optimizer.zero_grad()
            loss(model(torch.randn(BATCH, 3)), draw()).backward()
            optimizer.step()

    run = watched(train)
    constant = run.series.head(0).constant
    error = constant.std() / len(constant) ** 0.5
    # Uncorrected, all of them are 10 to 20 % too small.
    assert constant.mean() == pytest.approx(true, rel=0.06, abs=2 * error)
