"""What was set and what was not, to be read by a person."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import fill

from reluctant.words import plural

WIDTH = 96

Left = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Setting:
    """What one layer begins with: `gain` is None where the data said it."""

    layer: str
    scheme: str
    gain: float | None
    why: str


@dataclass(frozen=True)
class Initialized:
    """What was set, in the model's order, and what was left as it was: parameters by the reason.

    `reason` is why the scheme was chosen, or which was asked for.
    """

    reason: str
    layers: tuple[Setting, ...]
    left: Left

    def __str__(self) -> str:
        parts = [self.reason], self._rest()
        reason, rest = ([fill(at, WIDTH) for at in part] for part in parts)
        return "\n".join([*reason, *self._table(), *rest])

    def _table(self) -> Iterator[str]:
        alike: dict[tuple[str, float | None, str], list[str]] = {}
        for at in self.layers:
            alike.setdefault((at.scheme, at.gain, at.why), []).append(at.layer)
        rows = []
        for (scheme, gain, why), names in alike.items():
            where = names[0] if len(names) == 1 else f"{names[0]} to {names[-1]} ({len(names)})"
            rows.append((where, scheme, "" if gain is None else f"{gain:.3g}", why))
        rows = [("layer", "weights", "gain", ""), *rows]
        wide = [max(len(row[at]) for row in rows) for at in range(3)]
        for row in rows:
            cells = [row[0].ljust(wide[0]), row[1].ljust(wide[1]), row[2].rjust(wide[2]), row[3]]
            yield f"  {'  '.join(cells)}".rstrip()

    def _rest(self) -> Iterator[str]:
        for why, names in self.left:
            shown = ", ".join(names[:4])
            more = f" and {len(names) - 4:,} more" if len(names) > 4 else ""
            yield f"Left as {'it was' if len(names) == 1 else 'they were'}: {shown}{more} ({why})."

    @property
    def sentence(self) -> str:
        """All in a line or two."""
        counted = Counter(at.scheme for at in self.layers)
        kinds = ", ".join(f"{plural(n, 'layer')} {scheme}" for scheme, n in counted.items())
        left = sum(len(names) for _, names in self.left)
        rest = f"; {plural(left, 'parameter')} left as they were" if left else ""
        return f"{self.reason} Set: {kinds}{rest}."
