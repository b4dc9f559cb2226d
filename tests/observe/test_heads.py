"""What is read of a loss function's call, and the loss of the best constant answer."""

from collections.abc import Callable
from math import isnan
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observe.conftest import Watched
from torch import Tensor, nn
from torch.nn import functional as F

from reluctant.observe import graph, heads
from reluctant.observe.heads import Heads
from reluctant.record.observation import HeadRow

Loss = Callable[..., Tensor]


def called(loss: Loss, *args: Any, by: Heads | None = None, **options: Any) -> Tensor:
    """Call a loss function with `by` looking on."""
    value = loss(*args, **options)
    if by is not None:
        by.given(loss, args, options, value)
    return value


def row(loss: Loss, *args: Any, **options: Any) -> HeadRow:
    """What one call shows."""
    seen = Heads(object())
    called(loss, *args, by=seen, **options)
    (found,) = taken(seen)
    return found


def taken(seen: Heads) -> tuple[HeadRow, ...]:
    given = seen.take()
    seen.settle()
    return heads.rows(given)


def constant(loss: Loss, *args: Any, **options: Any) -> float:
    return row(loss, *args, **options).numbers[9]


def correct(loss: Loss, *args: Any, **options: Any) -> tuple[float, ...]:
    return row(loss, *args, **options).numbers[10:]


def output(*shape: int) -> Tensor:
    return torch.rand(shape, requires_grad=True)


# -- the numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_moments_of_output_and_target(dtype: torch.dtype) -> None:
    answer = (3 + 2 * torch.randn(20, 4)).to(dtype).requires_grad_()
    target = torch.randn(20, 4).to(dtype)
    found = row(F.mse_loss, answer, target)
    for numbers, values in ((found.numbers[:4], answer), (found.numbers[4:8], target)):
        wide = values.detach().double()
        expected = (wide.mean(), wide.std(correction=0), wide.min(), wide.max())
        assert numbers == pytest.approx([float(at) for at in expected], rel=1e-5, abs=1e-6)
    assert found.numbers[8] == pytest.approx(F.mse_loss(answer, target).item(), rel=1e-6)


def test_classes_have_no_moments() -> None:
    found = row(F.cross_entropy, output(6, 3), torch.arange(6) % 3)
    assert all(map(isnan, found.numbers[4:8]))
    assert found.numbers[9] == pytest.approx(np.log(3) + 2 / 12)


def test_a_loss_of_each_example_is_no_one_number() -> None:
    found = row(F.mse_loss, output(6, 3), torch.zeros(6, 3), reduction="none")
    assert isnan(found.numbers[8])
    assert found.numbers[0] > 0


# -- the best constant answer ------------------------------------------------------------------


def classes(*shape: int) -> Tensor:
    return torch.randint(0, 4, shape)


def logits(shares: Tensor) -> Tensor:
    return shares.log()


def shares(target: Tensor) -> Tensor:
    return F.one_hot(target.flatten(), 4).double().mean(0)


# The loss, the shapes of output and target, and what makes the best constant of the target.
ANSWERS: dict[str, tuple[Loss, tuple[int, ...], Callable[[], Tensor], Callable[[Tensor], Tensor]]]
ANSWERS = {
    "cross_entropy": (F.cross_entropy, (64, 4), lambda: classes(64), lambda t: logits(shares(t))),
    "pixels": (
        F.cross_entropy,
        (16, 4, 3, 3),
        lambda: classes(16, 3, 3),
        lambda t: logits(shares(t)).view(4, 1, 1),
    ),
    "soft classes": (
        F.cross_entropy,
        (64, 4),
        lambda: torch.rand(64, 4).double().softmax(1),
        lambda t: logits(t.mean(0)),
    ),
    "nll_loss": (F.nll_loss, (64, 4), lambda: classes(64), lambda t: logits(shares(t))),
    "binary_cross_entropy": (
        F.binary_cross_entropy,
        (64, 3),
        lambda: torch.rand(64, 3).double().round(),
        lambda t: t.mean(0),
    ),
    "with_logits": (
        F.binary_cross_entropy_with_logits,
        (64, 3),
        lambda: torch.rand(64, 3).double(),
        lambda t: t.mean(0).logit(),
    ),
    "mse_loss": (
        F.mse_loss,
        (64, 3),
        lambda: torch.randn(64, 3).double(),
        lambda t: t.mean(0),
    ),
    "l1_loss": (
        F.l1_loss,
        (65, 3),
        lambda: torch.randn(65, 3).double(),
        lambda t: t.median(0).values,
    ),
}


def flattery(loss: Loss, target: Tensor, cost: float) -> float:
    """How much less the best constant costs in the batch than it does of all, by the delta rule."""
    examples = target.shape[0]
    if loss is F.l1_loss:
        return 0.0  # small, and not corrected
    if loss is F.mse_loss:
        return cost / (examples - 1)
    if target.is_floating_point():
        mean, noise = target.mean(0), target.var(0, correction=0) / examples
        if loss is F.cross_entropy:
            return float((noise / mean).sum() / 2)
        return float((noise / mean + noise / (1 - mean)).mean() / 2)
    return (len(target.unique()) - 1) / (2 * target.numel())


@pytest.mark.parametrize("name", ANSWERS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_best_constant_answer(name: str, seed: int) -> None:
    """It costs what is said, less what the batch flatters it by; any other costs more."""
    loss, shape, make, best = ANSWERS[name]
    torch.manual_seed(seed)
    target = make()
    said = constant(loss, output(*shape).double(), target)

    def costs(answer: Tensor) -> float:
        return float(loss(answer.expand(shape), target))

    answer = best(target)
    assert costs(answer) == pytest.approx(said - flattery(loss, target, costs(answer)), rel=1e-5)
    for _ in range(5):
        other = answer + 0.1 * torch.randn_like(answer)
        if loss is F.binary_cross_entropy:
            other = other.clamp(0.01, 0.99)
        if loss is F.nll_loss:
            other = other.log_softmax(0)
        assert costs(other) >= costs(answer) - 1e-6


def test_ignored_classes_do_not_count() -> None:
    target = torch.tensor([0, 0, 1, 1, 7, 7, 7])
    found = constant(F.cross_entropy, output(7, 2), target, ignore_index=7)
    assert found == pytest.approx(np.log(2) + 1 / 8)
    by_default = torch.where(target == 7, -100, target)
    assert constant(F.cross_entropy, output(7, 2), by_default) == found


UNKNOWN: dict[str, Callable[[], float]] = {
    "a sum": lambda: constant(F.mse_loss, output(6, 3), torch.zeros(6, 3), reduction="sum"),
    "an old-fashioned sum": lambda: constant(F.mse_loss, output(6, 3), torch.zeros(6, 3), False),
    "weights": lambda: constant(F.cross_entropy, output(6, 3), classes(6) % 3, torch.ones(3)),
    "weights by name": lambda: constant(
        F.cross_entropy, output(6, 3), classes(6) % 3, weight=torch.arange(1, 4.0)
    ),
    "weights of the positive": lambda: constant(
        F.binary_cross_entropy_with_logits,
        output(6, 3),
        torch.zeros(6, 3),
        pos_weight=torch.arange(1, 4.0),
    ),
    "smoothed labels": lambda: constant(
        F.cross_entropy, output(6, 3), classes(6) % 3, label_smoothing=0.1
    ),
    "one example": lambda: constant(F.mse_loss, output(1, 3), torch.zeros(1, 3)),
    "one number": lambda: constant(F.mse_loss, output(1).squeeze(), torch.tensor(0.5)),
    "one example's classes": lambda: constant(F.cross_entropy, output(3), torch.rand(3)),
    "no formula": lambda: constant(F.huber_loss, output(6, 3), torch.zeros(6, 3)),
}


@given(
    st.integers(2, 6),
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20),
)
def test_how_many_are_told_their_class(classes: int, told: list[tuple[int, int]]) -> None:
    """Each example is answered with one class, and is of another or the same."""
    answers, target = (torch.tensor([at[part] % classes for at in told]) for part in (0, 1))
    logits = (5 * F.one_hot(answers, classes).float()).requires_grad_()
    expected = (
        float((answers == target).float().mean()),
        float(target.bincount().max()) / len(target),
    )
    assert correct(F.cross_entropy, logits, target) == pytest.approx(expected)
    assert correct(F.nll_loss, F.log_softmax(logits, 1), target) == pytest.approx(expected)


def test_how_many_places_are_told_their_class() -> None:
    logits = torch.tensor([[[3.0, 0.0, 1.0], [0.0, 2.0, 2.0]]]).requires_grad_()  # (1, 2, 3)
    target = torch.tensor([[0, 0, -100]])
    assert correct(F.cross_entropy, logits, target) == pytest.approx((0.5, 1.0))


@pytest.mark.parametrize("loss", [F.binary_cross_entropy, F.binary_cross_entropy_with_logits])
def test_how_many_are_told_yes_or_no(loss: Loss) -> None:
    answer = torch.tensor([0.9, 0.8, 0.3, 0.2, 0.4])
    answer = answer if loss is F.binary_cross_entropy else torch.logit(answer)
    target = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0])
    assert correct(loss, answer.requires_grad_(), target) == pytest.approx((0.6, 0.6))


def test_a_regression_has_no_classes() -> None:
    assert all(map(isnan, correct(F.mse_loss, output(6), torch.rand(6))))
    soft = torch.rand(6, 3).softmax(1)
    assert all(map(isnan, correct(F.cross_entropy, output(6, 3), soft)))


@pytest.mark.filterwarnings("ignore:size_average")
@pytest.mark.parametrize("why", UNKNOWN)
def test_where_the_best_constant_is_not_known(why: str) -> None:
    assert isnan(UNKNOWN[why]())


@pytest.mark.parametrize(
    "loss", [nn.CrossEntropyLoss(torch.arange(1, 4.0)), nn.NLLLoss(torch.arange(1, 4.0))]
)
def test_a_training_with_weighted_classes_is_observed(watched: Watched, loss: nn.Module) -> None:
    model = nn.Linear(4, 3)

    def train() -> None:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            loss(model(torch.randn(6, 4)), torch.arange(6) % 3).backward()
            optimizer.step()

    run = watched(train)
    series = run.series.head(0)
    assert series.samples.tolist() == [0, 1, 2]
    assert np.isnan(series.constant).all()


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_target_that_is_broadcast_has_no_constant() -> None:
    assert isnan(constant(F.mse_loss, output(6, 1), torch.zeros(6)))


# -- which calls, and what they are called -----------------------------------------------------


def test_a_head_is_a_function_behind_a_site() -> None:
    seen = Heads(object())
    hidden = nn.Linear(3, 4)(torch.randn(5, 3))
    marked = torch.relu(hidden)
    graph.mark(marked, 7, seen._by)
    graph.mark(marked, 9, object())
    target = torch.zeros(5, 4)
    for answer in (hidden, marked, marked.view(20, 1).view(5, 4), hidden.softmax(1), hidden):
        called(F.mse_loss, answer, target, by=seen)
    called(F.l1_loss, hidden.sigmoid().unsqueeze(0).squeeze(0), target, by=seen)
    assert [(at.index, at.function, at.site, at.behind) for at in seen.new] == [
        (0, "mse_loss", None, ""),
        (1, "mse_loss", 7, ""),
        (2, "mse_loss", None, "softmax"),
        (3, "l1_loss", None, "sigmoid"),
    ]


def test_of_a_sample_the_first_call_is_told() -> None:
    seen = Heads(object())
    for sample in range(2):
        for value in (1.0, 2.0):
            called(F.mse_loss, output(4, 2), torch.full((4, 2), sample + value), by=seen)
        (found,) = taken(seen)
        assert found.head == 0
        assert found.numbers[4] == sample + 1.0
    assert seen.take() == {}
    assert len(seen.new) == 1


ARGUMENTS: dict[str, tuple[Loss, Callable[[], tuple[Tensor, Tensor]]]] = {
    "classes": (F.cross_entropy, lambda: (output(9, 4), torch.randint(-1, 4, (9,)))),
    "pixels": (F.cross_entropy, lambda: (output(2, 3, 5), torch.randint(0, 3, (2, 5)))),
    "one example": (F.cross_entropy, lambda: (output(4), torch.tensor(2))),
    "shares": (F.cross_entropy, lambda: (output(9, 4), torch.rand(9, 4))),
    "bits": (F.binary_cross_entropy_with_logits, lambda: (output(9), torch.rand(9).round())),
    "squares": (F.mse_loss, lambda: (output(9, 2, 2), torch.rand(9, 2, 2))),
    "one number": (F.mse_loss, lambda: (output(), torch.tensor(0.5))),
    "distances": (F.l1_loss, lambda: (output(9, 2), torch.rand(9, 2))),
    "something else": (F.huber_loss, lambda: (output(9, 2), torch.rand(9, 2))),
}


@pytest.mark.parametrize("kind", ARGUMENTS)
def test_calls_that_are_read_together_are_as_if_read_alone(kind: str) -> None:
    loss, arguments = ARGUMENTS[kind]
    options: dict[str, Any] = {"ignore_index": -1} if kind == "classes" else {}
    together, taken_later, alone = Heads(object()), [], []
    for _ in range(5):
        pair = arguments()
        called(loss, *pair, by=together, **options)
        taken_later.append(together.take())
        alone.append(row(loss, *pair, **options).numbers)
    together.settle()
    found = [heads.rows(given)[0].numbers for given in taken_later]
    np.testing.assert_allclose(found, alone, rtol=1e-5, atol=1e-6)
    assert len({numbers[0] for numbers in found}) == 5


def test_what_is_put_by_is_a_copy_and_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script may go on to write into its own."""
    seen, answer, target = Heads(object()), output(4, 2), torch.ones(4, 2)
    loss = called(F.mse_loss, answer, target, by=seen)
    before = loss.item()
    with torch.no_grad():
        for tensor in (answer, target, loss):
            tensor.fill_(7.0)
    (found,) = taken(seen)
    assert found.numbers[4:9] == (1, 0, 1, 1, pytest.approx(before))
    assert found.numbers[3] < 1
    monkeypatch.setattr(heads, "ROOM", 15)
    called(F.mse_loss, answer, target, by=seen)
    assert heads.rows(seen.take())[0].numbers[:1] == (7.0,), "read at once: there was no room"


def test_so_many_heads_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_HEADS", 2)
    seen = Heads(object())
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.mse_loss):
        called(loss, output(4, 2), torch.zeros(4, 2), by=seen)
    assert [at.function for at in seen.new] == ["mse_loss", "l1_loss"]
    assert sorted(seen.take()) == [0, 1]


def test_arguments_may_be_named() -> None:
    seen = Heads(object())
    answer, target = output(4, 2), torch.ones(4, 2)
    loss = F.mse_loss(input=answer, target=target)
    seen.given(F.mse_loss, (), {"input": answer, "target": target}, loss)
    (found,) = taken(seen)
    assert found.numbers[4:9] == (1, 0, 1, 1, loss.item())


def per_example(seen: Heads) -> None:
    def one(answer: Tensor, target: Tensor) -> Tensor:
        return called(F.mse_loss, answer, target, by=seen)

    torch.func.vmap(one)(output(4, 2), torch.zeros(4, 2))


LEFT_ALONE: dict[str, Callable[[Heads], object]] = {
    "an evaluation": lambda seen: called(F.mse_loss, torch.zeros(4, 2), torch.zeros(4, 2), by=seen),
    "no numbers": lambda seen: seen.given(
        F.mse_loss, (output(0, 2), torch.zeros(0, 2)), {}, torch.tensor(0.0)
    ),
    "what is no tensor": lambda seen: seen.given(F.mse_loss, (output(4), [1.0] * 4), {}, None),
    "no target": lambda seen: seen.given(F.mse_loss, (output(4),), {}, None),
    "a transform": per_example,
}


@pytest.mark.parametrize("what", LEFT_ALONE)
def test_what_is_left_alone(what: str) -> None:
    seen = Heads(object())
    LEFT_ALONE[what](seen)
    assert seen.take() == {}
    assert seen.new == []


def test_the_script_is_not_disturbed() -> None:
    """No random number is drawn, and the loss can still be differentiated."""
    answer = output(6, 3)
    before = torch.get_rng_state()
    seen = Heads(object())
    loss = called(F.cross_entropy, answer, torch.arange(6) % 3, by=seen)
    assert torch.equal(before, torch.get_rng_state())
    given = seen.take()[0]
    assert not any(at.requires_grad for at in (given.output, given.target, given.loss))
    loss.backward()
    assert answer.grad is not None
