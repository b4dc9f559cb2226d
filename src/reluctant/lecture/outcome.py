"""A lecture that was run: every claim with its answers, as one object that can be kept."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reluctant.lecture.claim import Answer, Claim, Samples, Verdict, together
from reluctant.lecture.claims import claim

# Raised when a key changes its meaning or goes away; new keys may come at any time.
SCHEMA = 1


@dataclass(frozen=True)
class Shown:
    """A claim, and what its seeds came to."""

    claim: Claim
    quick: bool
    samples: Samples

    @property
    def answers(self) -> list[Answer]:
        """What the numbers say."""
        return self.claim.answers(self.samples)

    @property
    def verdict(self) -> Verdict:
        """What they say together."""
        return together(self.answers)

    @property
    def setting(self) -> str:
        """How it was measured."""
        size = dict(self.claim.size(self.quick))
        data = {"digits": "scikit-learn's digits", "fashion": "Fashion-MNIST"}
        return self.claim.setting.format(**size | {"data": data[size["data"]]})

    @property
    def n(self) -> int:
        """How many seeds."""
        return len(self.samples.seeds)


def dumps(shown: list[Shown]) -> str:
    """For programs, and to be drawn again."""
    content = {
        "schema": SCHEMA,
        "claims": [
            {
                "name": at.claim.name,
                "quick": at.quick,
                "statement": at.claim.statement,
                "setting": at.setting,
                "verdict": at.verdict,
                "answers": [_answer(answer) for answer in at.answers],
                "numbers": [dict(numbers) for numbers in at.samples.seeds],
            }
            for at in shown
        ],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _answer(answer: Answer) -> dict[str, Any]:
    value = answer.value
    return {
        "what": answer.what,
        "wanted": answer.wanted,
        "mean": value.mean,
        "low": value.low,
        "high": value.high,
        "n": value.n,
        "verdict": answer.verdict,
    }


def load(path: Path) -> list[Shown]:
    """What `dumps` has written; what is said of the numbers is said anew."""
    content = json.loads(path.read_text("utf-8"))
    return [
        Shown(claim(at["name"]), at["quick"], Samples(tuple(at["numbers"])))
        for at in content["claims"]
    ]
