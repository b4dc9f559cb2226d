"""The catalogue on a terminal: a table, and one function with its curve."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reluctant.words import number

_WIDTH, _HEIGHT = 61, 15


def table(entries: Iterable[Mapping[str, Any]]) -> Table:
    """One line a function."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for title, side in (
        ("function", "left"),
        ("formula", "left"),
        ("flat where", "left"),
        ("zero-centred", "left"),
        ("gain", "right"),
        ("keeps", "right"),
    ):
        made.add_column(title, justify=side, overflow="fold")  # type: ignore[arg-type]
    for entry in entries:
        cells = rows(entry, short=True)
        made.add_row(
            Text(entry["name"], "bold"),
            Text(entry["formula"]),
            Text(_flat(entry["flat"])),
            Text("yes" if entry["zero_centred"] else ""),
            Text(cells["gain"]),
            Text(cells["keeps"]),
        )
    made.caption = (
        "keeps: bytes for the backward pass per input element (float32, between two linear "
        'layers); after the slash with lean=True, or lean="bit" where there is that.'
    )
    made.caption_style, made.caption_justify = "dim", "left"
    return made


def page(entry: Mapping[str, Any]) -> RenderableType:
    """One function: its facts, and a curve of it and its derivative."""
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for title, text in rows(entry).items():
        if text:
            facts.add_row(title, text)
    head = (Text(entry["name"], "bold"), Padding(facts, (1, 0, 1, 2)))
    if "curve" not in entry:
        return Group(*head)
    drawing = "\n".join(_drawing(entry["curve"], entry["slope"]))
    return Group(
        *head,
        Padding(Text(drawing), (0, 0, 0, 2)),
        Padding(Text("●  the function     ·  its derivative", "dim"), (0, 0, 0, 2)),
    )


def rows(entry: Mapping[str, Any], short: bool = False) -> dict[str, str]:
    """The facts by title, in words; empty where there is nothing to say."""
    return {
        "formula": entry["formula"],
        "output": entry["shape"],
        "also called": ", ".join(entry["aliases"]),
        "parameters": ", ".join(
            f"{name} {value:g}" + (" (trainable)" if name in entry["trainable"] else "")
            for name, value in entry["parameters"].items()
        ),
        "needs": ", ".join(entry["constraints"]),
        "flat where": _flat(entry["flat"]),
        **(_looks(entry) if "curve" in entry else {}),
        "gain": _gain(entry, short),
        "keeps": _kept(entry["kept_bytes"], short),
        "here": f"reluctant.nn.{entry['module']}, reluctant.functional.{entry['name']}",
        "in torch": ", ".join(f"torch.{call}" for call in entry["torch"][:1]),
        "reference": entry["reference"],
    }


def _looks(entry: Mapping[str, Any]) -> dict[str, str]:
    """What a curve shows."""
    low, high = entry["range"]
    return {
        "flat where": _flat(entry["flat"]) or "nowhere at either end",
        "kinks": ", ".join(f"z = {at:g}, slope taken {slope:g}" for at, slope in entry["kinks"]),
        "range": f"{_bound(low)} to {_bound(high)}",
        "monotone": "yes" if entry["monotone"] else "no",
        "zero-centred": "yes" if entry["zero_centred"] else "no",
        "second derivative": "zero wherever there is one" if entry["piecewise_linear"] else "",
    }


def _gain(entry: Mapping[str, Any], short: bool) -> str:
    if entry["forward_gain"] is None:
        return ""
    forward, back = number(entry["forward_gain"]), entry.get("backward_gain")
    if short:
        return forward
    return f"{forward} forward" + (f", {number(back)} backward" if back is not None else "")


def _kept(kept: Mapping[str, float], short: bool = False) -> str:
    """Bytes by default, and the least there is to choose."""
    by_default, least = kept["default"], min(kept.values())
    if short:
        return f"{by_default:g}" + (f" / {least:g}" if least < by_default else "")
    ways = {"lean": "lean=True", "bit": 'lean="bit"'}
    others = [f"{size:g} with {ways[way]}" for way, size in kept.items() if size < by_default]
    return ", ".join([f"{by_default:g} bytes an input element (float32)", *others])


def _flat(intervals: Sequence[tuple[float, float]]) -> str:
    parts = []
    for low, high in intervals:
        if low == float("-inf"):
            parts.append(f"z ≤ {high:.4g}")
        elif high == float("inf"):
            parts.append(f"z ≥ {low:.4g}")
    return ", ".join(parts).replace("-", "−")


def _bound(value: float) -> str:
    return str(value).replace("inf", "∞").replace("-", "−") if abs(value) > 1e300 else number(value)


def _drawing(
    curve: tuple[Sequence[float], Sequence[float]], slope: tuple[Sequence[float], Sequence[float]]
) -> list[str]:
    """Lines of characters; the axes go through zero."""
    (xs, ys), (_, ds) = curve, slope
    low, high = max(min(*ys, *ds, -0.5), -3.0), min(max(*ys, *ds, 1.0), 3.0)
    grid = [[" "] * _WIDTH for _ in range(_HEIGHT)]

    def row(y: float) -> int:
        return round((high - y) / (high - low) * (_HEIGHT - 1))

    def column(x: float) -> int:
        return round((x - xs[0]) / (xs[-1] - xs[0]) * (_WIDTH - 1))

    for place in range(_WIDTH):
        grid[row(0.0)][place] = "─"
    for line in grid:
        line[column(0.0)] = "┼" if line is grid[row(0.0)] else "│"
    for values, sign in ((ds, "·"), (ys, "●")):
        for x, y in zip(xs, values, strict=True):
            if low <= y <= high:
                grid[row(y)][column(x)] = sign
    labels = {0: f"{high:.2g}", row(0.0): "0", _HEIGHT - 1: f"{low:.2g}"}
    lines = [f"{labels.get(at, ''):>5} {''.join(line)}" for at, line in enumerate(grid)]
    return [*lines, f"{'':>5} {xs[0]:<10g}{'z':^41}{xs[-1]:>10g}"]
