"""Every claim at its tiniest, and its verdict on numbers made by hand, either way."""

from fnmatch import fnmatch
from math import isfinite

import pytest
from matplotlib.figure import Figure

from reluctant.cli.lecture import lecture
from reluctant.lecture.claim import Numbers, Samples, above, below, exactly, together
from reluctant.lecture.claims import CLAIMS
from reluctant.lecture.interval import interval

TINY: dict[str, dict[str, object]] = {
    "derivative": {"data": "digits", "count": 20, "width": 8, "depth": 2},
    "cost": {"data": "digits", "count": 20, "width": 8, "rounds": 2},
    "gradient": {"data": "digits", "count": 20, "width": 8, "depths": (2, 3, 4, 5)},
    "centred": {"data": "digits", "count": 50, "width": 8, "depth": 3},
    "depth": {
        "data": "digits",
        "count": 40,
        "width": 8,
        "depths": (1, 3, 5),
        "steps": 2,
        "rate": 0.01,
    },
    "pretraining": {
        "data": "digits",
        "count": 40,
        "width": 8,
        "depth": 2,
        "steps": 2,
        "unlabelled": 2,
        "rates": (0.1,),
    },
    "generalization": {
        "data": "digits",
        "count": 40,
        "width": 8,
        "depth": 1,
        "loss": 2.0,
        "most": 12,
    },
    "dying": {
        "data": "digits",
        "count": 40,
        "width": 8,
        "depth": 2,
        "steps": 5,
        "rates": (0.001, 0.1),
    },
    "silenced": {"data": "digits", "count": 40, "width": 8, "depth": 2, "steps": 3},
    "leaky": {"data": "digits", "count": 40, "width": 8, "depth": 2, "steps": 3},
    "alpha": {"data": "digits", "count": 40, "width": 8, "depth": 2, "steps": 3, "rate": 0.01},
    "modern": {"data": "digits", "count": 40, "width": 8, "depth": 2, "steps": 3, "rate": 0.01},
}


def test_there_is_a_tiny_size_of_each() -> None:
    assert TINY.keys() == CLAIMS.keys()


def test_help_names_them_all() -> None:
    said = " ".join((lecture.help or "").split())
    assert f"The claims are {' and '.join(', '.join(CLAIMS).rsplit(', ', 1))}." in said


@pytest.mark.parametrize("name", CLAIMS)
def test_an_experiment_answers_and_is_drawn(name: str) -> None:
    claim = CLAIMS[name]
    seeds = [claim.experiment(seed, **TINY[name]) for seed in (0, 1)]
    assert all(isfinite(value) for numbers in seeds for value in numbers.values())
    assert seeds[0] != seeds[1] or name == "derivative"
    if not claim.alone:
        again = claim.experiment(0, **TINY[name])
        assert _untimed(again) == _untimed(seeds[0])
    samples = Samples(tuple(seeds))
    answers = claim.answers(samples)
    assert answers
    assert all(answer.value.n == 2 for answer in answers)
    axes = Figure().add_subplot()
    claim.draw(samples, axes)
    assert axes.lines or axes.patches


# By name, the first pattern that fits: a number with which each statement holds, and one with which
# it does not.
BY_HAND: dict[str, dict[str, tuple[float, float]]] = {
    "derivative": {"*": (0, 1)},
    "generalization": {
        "fitted/*": (1, 0),
        "accuracy/relu": (90, 80),
        "accuracy/*": (85, 85),
        "loss/relu": (0.2, 0.4),
        "loss/*": (0.3, 0.3),
    },
    "cost": {"*/relu": (1, 1), "*": (2, 0.5)},
    "gradient": {"sigmoid/*": (0.001, 0.5), "tanh/*": (0.001, 0.5), "*": (1, 0.01)},
    "centred": {
        "relu/output": (0.6, 0),
        "relu/shift/*": (0.8, 0.2),
        "tanh/output": (0, 0.6),
        "tanh/shift/*": (0.3, 0.3),
        "*": (0.5, 0.5),
    },
    "depth": {"*/3": (90, 90), "sigmoid/*": (10, 90), "*": (90, 10)},
    "pretraining": {
        "accuracy/pre-trained": (80, 80),
        "accuracy/relu": (90, 50),
        "accuracy/*": (10, 90),
        "seconds/relu": (1, 9),
        "seconds/*": (3, 3),
    },
    "silenced": {"*": (0, 1)},
    "dying": {"dead/0.001": (0, 50), "*": (90, 0)},
    "leaky": {"*": (100, 0)},
    "alpha": {"alpha/*": (0.1, 0.25), "*": (80, 80)},
    "modern": {"relu": (80, 80), "*": (90, 70)},
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_statement_holds_or_not_by_its_numbers(name: str) -> None:
    claim = CLAIMS[name]

    def verdicts(which: int) -> list[str]:
        numbers = {
            key: next(
                pair[which] for pattern, pair in BY_HAND[name].items() if fnmatch(key, pattern)
            )
            for key in claim.experiment(0, **TINY[name])
        }
        answers = claim.answers(Samples((numbers, numbers)))
        return [answer.verdict for answer in answers if answer.wanted]

    assert set(verdicts(0)) == {"holds"}
    assert "does not hold" in verdicts(1)


def _untimed(numbers: Numbers) -> dict[str, float]:
    return {name: value for name, value in numbers.items() if not name.startswith("seconds")}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_setting_is_filled_in_by_both_sizes(name: str) -> None:
    claim = CLAIMS[name]
    for quick in (True, False):
        assert "{" not in claim.setting.format(**claim.size(quick))
    assert claim.quick["data"] == "digits"
    assert claim.quick.keys() == claim.full.keys() == TINY[name].keys()


def test_an_answer_needs_the_whole_interval() -> None:
    high, middle, low = interval([2.0, 2.1, 2.2]), interval([0.0, 2.0]), interval([0.1, 0.2])
    assert [above("", at, 1).holds for at in (high, middle, low)] == [True, None, False]
    assert [below("", at, 1).holds for at in (high, middle, low)] == [False, None, True]
    # What lies on the limit is on neither side of it.
    assert above("", interval([1.0, 1.0]), 1).holds is False
    assert below("", interval([1.0, 1.0]), 1).holds is False
    assert above("", interval([2.0]), 1).holds is None
    assert exactly("", [0.0, 0.0], 0).holds
    assert exactly("", [0.0, 1e-30], 0).holds is False


def test_answers_are_taken_together() -> None:
    yes, no, open_ = (exactly("", [0.0], 0), exactly("", [1.0], 0), above("", interval([1.0]), 0))
    assert together([yes, yes]) == "holds"
    assert together([yes, no]) == together([yes, open_]) == "holds in part"
    assert together([no, open_]) == "does not hold"
    assert together([open_]) == "not shown"
