"""What is put back is what was there, to the last bit, and as often as wanted."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from reluctant.remedy.snapshot import Snapshot

KINDS: dict[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": partial(torch.optim.SGD, momentum=0.9),
    "adam": torch.optim.Adam,
    "amsgrad": partial(torch.optim.AdamW, amsgrad=True, foreach=True),
    "fused": partial(torch.optim.Adam, fused=True),
    "nadam": torch.optim.NAdam,
    "adafactor": torch.optim.Adafactor,
    "rprop": torch.optim.Rprop,
    "lbfgs": partial(torch.optim.LBFGS, max_iter=3, history_size=4),
}


@pytest.fixture(params=KINDS)
def training(request: pytest.FixtureRequest) -> "Training":
    return Training(KINDS[request.param])


class Training:
    def __init__(self, kind: Callable[..., Optimizer]) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        self.optimizer = kind(self.model.parameters(), lr=1e-2)
        self.data = [(torch.randn(16, 5), torch.randn(16, 2)) for _ in range(4)]

    def steps(self, count: int) -> None:
        for step in range(count):
            x, target = self.data[step % len(self.data)]

            def closure(x: Tensor = x, target: Tensor = target) -> Tensor:
                self.optimizer.zero_grad()
                loss = F.mse_loss(self.model(x), target)
                loss.backward()
                return loss

            self.optimizer.step(closure)  # type: ignore[arg-type]

    def snapshot(self) -> Snapshot:
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return Snapshot.of(7, tensors, [self.optimizer])

    def all(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        return deepcopy(self.model.state_dict()), deepcopy(self.optimizer.state_dict()["state"])


def check_same(one: object, other: object) -> None:
    """To the last bit, through whatever they are kept in."""
    assert type(one) is type(other)
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype
    elif isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            check_same(value, other[key])
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for value, another in zip(one, other, strict=True):
            check_same(value, another)
    else:
        assert one == other


@pytest.mark.parametrize("taught", [0, 3])
def test_all_is_put_back_and_the_training_is_the_same(training: Training, taught: int) -> None:
    """Also where the optimizer remembered nothing yet."""
    training.steps(taught)
    before, snapshot = training.all(), training.snapshot()
    training.steps(5)
    first = training.all()
    for _ in range(2):
        snapshot.restore()
        check_same(training.all(), before)
        training.steps(5)
        check_same(training.all(), first)


def test_what_is_put_back_is_the_same_tensors(training: Training) -> None:
    """The script, and its optimizer, hold on to them."""
    held = [*training.model.parameters(), *training.model.buffers()]
    places = [at.data_ptr() for at in held]
    snapshot = training.snapshot()
    training.steps(2)
    snapshot.restore()
    now = [*training.model.parameters(), *training.model.buffers()]
    assert all(one is other for one, other in zip(held, now, strict=True))
    assert [at.data_ptr() for at in now] == places


def test_numbers_that_are_not_finite_are_replaced(training: Training) -> None:
    training.steps(2)
    before, snapshot = training.all(), training.snapshot()
    with torch.no_grad():
        for at in (*training.model.parameters(), *training.model.buffers()):
            at.fill_(float("nan") if at.is_floating_point() else 0)
    snapshot.restore()
    check_same(training.all(), before)


def test_its_size_is_what_it_keeps() -> None:
    training = Training(torch.optim.Adam)
    kept = [*training.model.parameters(), *training.model.buffers()]
    alone = sum(at.numel() * at.element_size() for at in kept)
    assert training.snapshot().size == alone
    training.steps(1)
    parameters = sum(4 * at.numel() for at in training.model.parameters())
    steps = 4 * len(list(training.model.parameters()))
    snapshot = training.snapshot()
    assert snapshot.size == alone + 2 * parameters + steps
    assert snapshot.step == 7


def test_an_optimizer_that_came_later_remembers_nothing(training: Training) -> None:
    tensors = [*training.model.parameters(), *training.model.buffers()]
    before = training.all()
    snapshot = Snapshot.of(0, tensors, [])
    training.steps(3)
    snapshot.restore([training.optimizer])
    check_same(training.all(), before)


def test_what_is_remembered_of_others_stays(training: Training) -> None:
    if isinstance(training.optimizer, torch.optim.LBFGS):
        pytest.skip("keeps what it remembers of all parameters with the first")
    training.steps(1)
    other = training.model[3]
    assert isinstance(other, nn.Linear)
    snapshot = Snapshot.of(1, training.model[0].parameters(), [training.optimizer])
    training.steps(2)
    remembered = deepcopy(training.optimizer.state.get(other.weight))
    snapshot.restore([training.optimizer])
    check_same(training.optimizer.state.get(other.weight), remembered)
