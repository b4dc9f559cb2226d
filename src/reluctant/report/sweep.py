"""A sweep of learning rates as a person reads it, and as one JSON object."""

import json
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite, log10
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.record.sweep import Rate, Sweep
from reluctant.words import number, percent, plural

# Raised when a key changes its meaning or goes away; new keys may come at any time.
SCHEMA = 1

_STYLE = {
    "learns": "green",
    "kills": "red",
    "diverges": "red",
    "fails": "red",
    "too slow": "dim",
    "too fast": "yellow",
    "no learning": "dim",
}
_WIDTH, _HEIGHT = 57, 11


def verdict(sweep: Sweep) -> RenderableType:
    """The table, the plot, and the rate that is named."""
    heading = Text.assemble(("reluctant  ", "bold"), ("lr", "bold"))
    heading.append("  " + shlex.join(["-m"] * sweep.module + [sweep.script, *sweep.arguments]))
    facts = [plural(len(sweep.rates), "rate"), plural(sweep.steps, "step") + " each"]
    facts.append(plural(sweep.seeds, "seed"))
    heading.append("\n           " + ", ".join(facts), "dim")
    lines = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column(overflow="fold")
    for title, text in _lines(sweep):
        lines.add_row(title, text)
    said = Group(*map(Text, sentences(sweep)))
    limits = [Text(limit, style="italic") for limit in sweep.limits]
    parts: list[RenderableType] = [_table(sweep), *_plot(sweep), said, lines, *limits]
    return Group(Text(""), heading, *(Padding(part, (1, 0, 0, 2)) for part in parts))


def _table(sweep: Sweep) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title in ("rate", "times own", "loss", "dead", "killed", "verdict"):
        table.add_column(title, justify="left" if title == "verdict" else "right", no_wrap=True)
    for at in sweep.rates:
        mark = " ←" if at is sweep.named else ""
        table.add_row(
            "" if at.rate is None else number(at.rate),
            number(at.factor),
            "" if at.loss is None else number(at.loss),
            _count(at.dead) if sweep.units else "",
            _count(at.killed) if sweep.units else "",
            Text(at.verdict + mark, _STYLE[at.verdict]),
        )
    return table


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:,.1f}"


# -- in words ---------------------------------------------------------------------------------


def sentences(sweep: Sweep) -> Iterator[str]:
    """Which rate it is, and how far the script's own is from it."""
    named, own, best = sweep.named, sweep.own, sweep.best
    if named is None:
        yield from _none(sweep)
        return
    steps = plural(sweep.steps, "step")
    yield f"In {steps}, {_named(named)} is the largest rate that {_kills(sweep, named)}."
    if named is own:
        yield "It is the script's own."
    else:
        away = number(max(named.factor, 1 / named.factor))
        side = "lower" if named.factor > 1 else "higher"
        yield f"The script's own{_of(own)} is {away} times {side}{_wrong(own, ', and ')}."
    if best is not None and best is not named:
        yield f"The loss is lowest at {_named(best)}{_wrong(best, ', which ')}."


def _kills(sweep: Sweep, named: Rate) -> str:
    if not sweep.units:
        return "learns"
    if not named.killed:
        return "learns and kills no one"
    those = f"learns and does not kill: {_count(named.killed)} of {plural(sweep.units, 'unit')} die"
    if named.usual is None:
        return f"{those}, which may be learning's doing"
    return f"{those}, and {_count(named.usual)} at lower rates that learn, which chance explains"


def _none(sweep: Sweep) -> Iterator[str]:
    kills = [at for at in sweep.rates if at.verdict == "kills"]
    if kills:
        least = min(kills, key=lambda at: at.killed)
        yield (
            f"Every rate that learns kills: {_named(least)} the fewest, "
            f"{_share(least.killed, sweep.units)} of the units."
        )
    else:
        yield (
            f"No rate learns in {plural(sweep.steps, 'step')}: give more with --steps, or see what "
            "`reluctant check` finds."
        )


def _named(at: Rate) -> str:
    return number(at.rate) if at.rate is not None else f"{number(at.factor)} times the script's own"


def _of(own: Rate) -> str:
    return "" if own.rate is None else f", {number(own.rate)},"


def _wrong(at: Rate, link: str) -> str:
    """What is wrong with a rate, if anything is."""
    kills = f"kills {_count(at.killed)} unit" + ("" if at.killed == 1 else "s")
    if at.usual:
        kills += f", where lower ones kill {_count(at.usual)}"
    does = {"learns": "", "kills": kills, "no learning": "does not learn"}
    does |= {"too slow": "is too slow", "too fast": "is too fast"}
    text = does.get(at.verdict, at.verdict)
    return link + text if text else ""


def _share(count: float, units: int) -> str:
    return percent(count / units)


def _lines(sweep: Sweep) -> Iterator[tuple[str, str]]:
    if sweep.units:
        text = f"of {plural(sweep.units, 'unit')} whose function switches off"
        if sweep.silent:
            bound = percent(1 - 0.05 ** (1 / sweep.silent))
            text += f"; silent on {plural(sweep.silent, 'input')} or more, so that they fire on "
            text += f"less than {bound} (95 %)"
        yield "dead", text
    if any(at.killed for at in sweep.rates):
        rule = "a rate kills if they are more than at lower ones that learn"
        yield "killed", f"the dead that fired before; {rule}"
    if sweep.path:
        yield "records", shlex.quote(sweep.path.removeprefix(f"{Path.cwd()}/"))


# -- the plot ---------------------------------------------------------------------------------


def _plot(sweep: Sweep) -> Iterator[RenderableType]:
    """Loss, and dead units, against the rate, which goes by its logarithm."""
    losses = [at.loss for at in sweep.rates if at.loss is not None and isfinite(at.loss)]
    if len(sweep.rates) < 3 or not losses:
        return
    low, high = min(losses), min(max(losses), _ceiling(sweep))
    logarithmic = low > 0 and high / low > 10
    most = max(at.dead for at in sweep.rates)

    def height(loss: float) -> float:
        if logarithmic:
            return (log10(loss) - log10(low)) / (log10(high) - log10(low))
        return (loss - low) / max(high - low, 1e-12)

    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]
    left, right = (log10(sweep.rates[end].factor) for end in (0, -1))

    def put(at: Rate, share: float, sign: str) -> None:
        column = round((log10(at.factor) - left) / (right - left) * (_WIDTH - 1))
        grid[round((1 - share) * (_HEIGHT - 1))][column] = sign

    for at in sweep.rates:
        if most:
            put(at, at.dead / most, "x")
    for at in sweep.rates:
        if at.loss is None or not isfinite(at.loss) or at.loss > high:
            put(at, 1.0, "^")
        else:
            put(at, height(at.loss), "●")
    top, bottom = number(high), number(low)
    sides = {0: (top, percent(most / sweep.units) if most else ""), _HEIGHT - 1: (bottom, "")}
    if most:
        sides[_HEIGHT - 1] = (bottom, "0 %")
    lines = [
        f"{sides.get(at, ('', ''))[0]:>8} │{''.join(line)}│ {sides.get(at, ('', ''))[1]}"
        for at, line in enumerate(grid)
    ]
    ends = [_axis(sweep.rates[end]) for end in (0, -1)]
    lines.append(f"{'':>8}  {ends[0]}{'rate':^{max(4, _WIDTH - len(ends[0] + ends[1]))}}{ends[1]}")
    yield Text("\n".join(lines))
    signs = "●  loss" + ("     x  share of units that are dead" if most else "")
    above = any(at.loss is None or not at.loss <= high for at in sweep.rates)
    yield Text(signs + ("     ^  a loss beyond all this" if above else ""), "dim")


def _ceiling(sweep: Sweep) -> float:
    """What diverges would leave no room for the rest."""
    held = [
        at.loss
        for at in sweep.rates
        if at.verdict not in ("diverges", "fails") and at.loss is not None and isfinite(at.loss)
    ]
    return max(held, default=float("inf"))


def _axis(at: Rate) -> str:
    return number(at.rate if at.rate is not None else at.factor)


# -- for programs -----------------------------------------------------------------------------


def dumps(sweep: Sweep) -> str:
    """The object that `lr --format json` prints, indented."""
    named, best = sweep.named, sweep.best
    content = {
        "schema": SCHEMA,
        **asdict(sweep),
        "rates": [_finite(asdict(at)) for at in sweep.rates],
        "own": _finite(asdict(sweep.own)),
        "named": None if named is None else _finite(asdict(named)),
        "best": None if best is None else _finite(asdict(best)),
        "said": list(sentences(sweep)),
    }
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)


def _finite(content: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: it becomes null."""
    return {
        key: None if isinstance(value, float) and not isfinite(value) else value
        for key, value in content.items()
    }
