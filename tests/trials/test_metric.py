"""What runs are compared by: made-up runs, nothing is run."""

from pathlib import Path

import pytest

from reluctant.errors import NoMetric, WrongArgument
from reluctant.record import schema
from reluctant.record.comparison import Direction
from reluctant.trials.attempt import Attempt
from reluctant.trials.metric import Asked, Figure, Metric, resolution
from reluctant.trials.outcome import Outcome
from reluctant.trials.plan import place, said
from reluctant.trials.processes import Ending


def attempt(
    home: Path, output: str = "", logged: str = "", loss: float | None = None, **scalars: float
) -> Attempt:
    path = place(home, "baseline", 0)
    path.mkdir()
    said(path).write_text(output)
    (path / schema.LOGGED).write_text(logged)
    made = Attempt("baseline", 0, path, Ending(0, 1.0, 1, 0.0), scalars)
    outcome = Outcome("baseline", 0, path, loss, None, None, {}, (), None)
    vars(made)["outcome"] = outcome
    return made


LOGGED = """{"step": null, "values": {"accuracy": 0.5}}
{"step": 2, "values": {"accuracy": 0.75}}
"""


@pytest.mark.parametrize(
    ("asked", "metric", "figure"),
    [
        (Asked("acc (.*)"), ("acc", "high", "output"), Figure(0.75, 0.01)),
        (Asked("^acc (.*)"), ("acc", "high", "output"), Figure(0.75, 0.01)),
        (Asked("(?P<error>0.*)"), ("error", "low", "output"), Figure(0.75, 0.01)),
        (Asked("accuracy"), ("accuracy", "high", "log"), Figure(0.75)),
        (Asked("loss/test"), ("loss/test", "low", "tensorboard"), Figure(3.0)),
        (Asked(), ("accuracy", "high", "log"), Figure(0.75)),
        (Asked(None, "low"), ("accuracy", "low", "log"), Figure(0.75)),
    ],
)
def test_where_it_stands(
    tmp_path: Path, asked: Asked, metric: tuple[str, str, str], figure: Figure
) -> None:
    made = attempt(tmp_path, "acc 0.5\nacc 0.75\nacc soon", LOGGED, 1.5, **{"loss/test": 3.0})
    found = asked.metric(made)
    assert (found.name, found.direction, found.source) == metric
    assert found.read(made) == figure


def test_by_default_the_training_loss(tmp_path: Path) -> None:
    made = attempt(tmp_path, loss=0.25)
    assert Asked().metric(made) == Metric("training loss", "low", "loss")
    assert Asked().metric(made).read(made) == Figure(0.25)


def test_nothing_to_compare_by(tmp_path: Path) -> None:
    made = attempt(tmp_path, "\n".join(f"line {at}" for at in range(99)), LOGGED)
    with pytest.raises(NoMetric, match="It logged accuracy") as raised:
        Asked("recall").metric(made)
    assert raised.value.sentence.endswith("    line 97\n    line 98")
    assert "line 80" not in raised.value.sentence
    (made.path / schema.LOGGED).unlink()
    with pytest.raises(NoMetric, match="no training loss"):
        Asked().metric(made)


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("test/Accuracy", "high"),
        ("val_acc", "high"),
        ("F1", "high"),
        ("val_loss", "low"),
        ("perplexity", "low"),
        ("speed", None),
        ("macro", None),
        ("accuracy_error", None),
    ],
)
def test_the_better_direction_is_known_by_words(name: str, direction: Direction | None) -> None:
    if direction is None:
        with pytest.raises(WrongArgument, match="--maximize"):
            Asked(name).check()
        Asked(name, "low").check()
    else:
        Asked(name).check()


@pytest.mark.parametrize("text", ["(", "a(b)(c)"])
def test_patterns_that_are_none(text: str) -> None:
    with pytest.raises(WrongArgument):
        Asked(text).check()


@pytest.mark.parametrize(
    ("figure", "size"),
    [("12", 1.0), ("0.250", 1e-3), ("1.5e-3", 1e-4), ("nan", 1.0), ("2e9999", 0)],
)
def test_what_a_number_is_rounded_to(figure: str, size: float) -> None:
    assert resolution(figure) == pytest.approx(size)


@pytest.mark.parametrize(
    ("ending", "output", "words"),
    [
        (Ending(3, 1, 1, 0), "", "ended with exit code 3"),
        (Ending(1, 1, 1, 0), "RuntimeError: CUDA out of memory.", "ran out of memory"),
        (Ending(-9, 1, 1, 0), "", "was killed, probably for want of memory"),
        (Ending(-11, 1, 1, 0), "", "was ended by signal 11"),
        (Ending(-15, 61, 1, 0, late=True), "", "was ended after 61 s, which is too long"),
    ],
)
def test_what_went_wrong(tmp_path: Path, ending: Ending, output: str, words: str) -> None:
    said(tmp_path / "a-0").write_text(output)
    assert Attempt("a", 0, tmp_path / "a-0", ending).failure == words


def test_the_tail_is_the_traceback_if_there_is_one(tmp_path: Path) -> None:
    said(tmp_path / "a-0").write_text("x\n" * 50 + "Traceback (most recent call last)\n  y\n" * 2)
    made = Attempt("a", 0, tmp_path / "a-0", Ending(1, 1, 1, 0))
    assert made.tail == "Traceback (most recent call last)\n  y"
