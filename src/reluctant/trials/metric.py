"""What runs are compared by: where the number stands, and which way it is better."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from reluctant.errors import NoMetric, WrongArgument
from reluctant.record.comparison import Direction
from reluctant.record.logged import logged
from reluctant.record.trial import LOSS
from reluctant.trials.attempt import Attempt

Source = Literal["output", "log", "tensorboard", "loss"]

# Words in the names of metrics, by which direction is the better.
_DIRECTIONS: Mapping[Direction, frozenset[str]] = {
    "high": frozenset(
        "acc accuracy auc auroc f1 score reward return bleu rouge map iou miou dice precision "
        "recall r2 psnr ssim top1 top5 correct win".split()
    ),
    "low": frozenset(
        "loss err error perplexity ppl mse mae rmse nll bpc bpb wer cer fid cost distance regret "
        "entropy kl".split()
    ),
}

_SAID: Mapping[Source, str] = {
    "output": "the last in the script's output",
    "log": "the last that the script gave to reluctant.log",
    "tensorboard": "the last that the script wrote to TensorBoard",
    "loss": "smoothed at the end of the run; --metric names another",
}


class Figure(NamedTuple):
    """A number, and the size of its last digit where it was rounded; 0 if it was not."""

    value: float
    resolution: float = 0.0


@dataclass(frozen=True)
class Metric:
    """A number of each run; `direction` says which values are the better."""

    name: str
    direction: Direction
    source: Source
    pattern: "re.Pattern[str] | None" = None

    @property
    def said(self) -> str:
        """Where it is from, a phrase."""
        return _SAID[self.source]

    @property
    def content(self) -> dict[str, str | None]:
        """As it is written down."""
        pattern = self.pattern.pattern if self.pattern is not None else None
        return {
            "name": self.name,
            "direction": self.direction,
            "source": self.source,
            "pattern": pattern,
        }

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Metric":
        """From what was written down."""
        text = content["pattern"]
        found = None if text is None else pattern(text)
        return cls(content["name"], content["direction"], content["source"], found)

    def read(self, attempt: Attempt) -> Figure | None:
        """What it is in a run; None if it is not there."""
        if self.source == "output" and self.pattern is not None:
            return _last(self.pattern, attempt.said)
        if self.source == "log":
            values = logged(attempt.path).get(self.name)
            return Figure(values[-1][1]) if values else None
        if self.source == "tensorboard":
            value = attempt.scalars.get(self.name)
        else:
            value = attempt.outcome.loss if attempt.outcome is not None else None
        return None if value is None else Figure(value)


def loss(value: float, direction: Direction) -> float:
    """The same as something that is the better the less there is of it."""
    return -value if direction == "high" else value


@dataclass(frozen=True)
class Asked:
    """A metric as a person asks for it: a pattern with one group, or a name; None for any."""

    text: str | None = None
    direction: Direction | None = None

    def check(self) -> None:
        """Refuse now what cannot be read in any run.

        Raises:
            WrongArgument: the pattern cannot be read, or nobody knows its better direction.
        """
        if self.text is not None:
            found = pattern(self.text)
            self._way(self.text if found is None else called(found))

    def metric(self, attempt: Attempt) -> Metric:
        """What it is in this script, of which one run has ended.

        Raises:
            NoMetric: it is nowhere in that run.
            WrongArgument: nobody knows which direction is the better.
        """
        for metric in self._possible(attempt):
            if metric.read(attempt) is not None:
                return metric
        if self.text is None:
            raise NoMetric.at_all(attempt.tail)
        known = sorted({*logged(attempt.path), *attempt.scalars})
        raise NoMetric.like(self.text, known, attempt.tail)

    def _possible(self, attempt: Attempt) -> list[Metric]:
        if self.text is None:
            named = list(logged(attempt.path))
            own = [Metric(named[0], self._way(named[0]), "log")] if len(named) == 1 else []
            return [*own, Metric(LOSS, self.direction or "low", "loss")]
        found = pattern(self.text)
        name = self.text if found is None else called(found)
        way = self._way(name)
        if found is not None:
            return [Metric(name, way, "output", found)]
        return [Metric(name, way, "log"), Metric(name, way, "tensorboard")]

    def _way(self, name: str) -> Direction:
        if self.direction is not None:
            return self.direction
        words = set(re.findall(r"[a-z]+\d*", name.lower()))
        ways: list[Direction] = [way for way, known in _DIRECTIONS.items() if words & known]
        if len(ways) != 1:
            raise WrongArgument(
                f"It is not plain whether more or less of {name!r} is better.",
                "Say so with --maximize or --minimize.",
            )
        return ways[0]


def pattern(text: str) -> "re.Pattern[str] | None":
    """The regular expression in which one group is the number; None where there is no group.

    Raises:
        WrongArgument: it cannot be read, or has several groups.
    """
    try:
        found = re.compile(text, re.MULTILINE)
    except re.error as error:
        raise WrongArgument(
            f"{text!r} is no regular expression: {error}.", "Write it as in 'accuracy (.*)'."
        ) from None
    if found.groups > 1:
        raise WrongArgument(f"{text!r} needs one group: the number.", "Write others as (?:...).")
    return found if found.groups else None


def called(pattern: "re.Pattern[str]") -> str:
    """The name of its group, or else the words before it."""
    if pattern.groupindex:
        return next(iter(pattern.groupindex))
    words = re.match(r"[\w -]*\w", pattern.pattern.lstrip("^ "))
    return words[0] if words else "metric"


def resolution(figure: str) -> float:
    """The size of the last digit of a number as it was written."""
    mantissa, _, exponent = figure.lower().partition("e")
    digits = len(mantissa.partition(".")[2])
    with suppress(ValueError, OverflowError):
        return float(10.0 ** (int(exponent or 0) - digits))
    return 0.0


def _last(pattern: "re.Pattern[str]", text: str) -> Figure | None:
    for match in reversed(list(pattern.finditer(text))):
        with suppress(ValueError, TypeError):
            return Figure(float(match[1]), resolution(match[1].strip()))
    return None
