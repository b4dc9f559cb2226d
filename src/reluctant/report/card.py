"""A run as a notebook shows it: HTML without scripts, for light and dark pages."""

import shlex
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from reluctant.record.finding import Diagnosis, Finding, LayerSummary, Severity
from reluctant.record.run import Run
from reluctant.report import terminal
from reluctant.report.scales import logarithmic
from reluctant.words import number, percent, plural

# White reads on each of these (contrast 4.5 and more), whatever the page's own colours are.
_GROUND = {"healthy": "#1b6e3c", "warning": "#8a5a00", "error": "#a4262c", "note": "#3b5b92"}
_UNSEEN = "#555555"
# Bars, on white and on black (Okabe and Ito 2008).
_BLUE, _VERMILION = "#0072B2", "#D55E00"

_WIDTH, _HEIGHT = 320, 56
_CELL = "padding: 1px 12px 1px 0; text-align: left; white-space: nowrap"


def card(run: Run, diagnosis: Diagnosis) -> str:
    """The verdict, the loss, what was found and done, and a line for each layer."""
    parts = [
        *_heading(run, diagnosis),
        *_loss(run),
        *_interventions(run),
        *_findings(diagnosis.findings),
        *_layers(diagnosis),
        *(f"<p><em>{escape(limit)}</em></p>" for limit in diagnosis.limits),
    ]
    return f'<div style="max-width: 60em; line-height: 1.5">{"".join(parts)}</div>'


def sentence(text: str) -> str:
    """What is shown where there is nothing to show."""
    return f"<p>{escape(text)}</p>"


def _heading(run: Run, diagnosis: Diagnosis) -> Iterator[str]:
    info = run.info
    word = diagnosis.verdict if run.samples else "nothing seen"
    script = shlex.join(["-m"] * info.module + [info.script, *info.arguments])
    yield f"<p><b>reluctant</b> {_badge(word, word)} <code>{escape(script)}</code><br>"
    yield f"{escape(', '.join(terminal.facts(run)))}</p>"


def _badge(text: str, kind: str) -> str:
    style = f"background: {_GROUND.get(kind, _UNSEEN)}; color: #ffffff"
    return f'<b style="{style}; border-radius: 3px; padding: 0 6px">{escape(text)}</b>'


# -- the loss -----------------------------------------------------------------------------------


def _loss(run: Run) -> Iterator[str]:
    """A curve, and the same in words."""
    known = np.isfinite(run.losses)
    if known.sum() < 2:
        return
    steps, losses = run.steps[known], run.losses[known]
    first, last = number(float(losses[0])), number(float(losses[-1]))
    words = f"loss {first} at step {steps[0]:,}, {last} at step {steps[-1]:,}"
    if logarithmic(losses):
        losses, words = np.log(losses), f"{words}; logarithmic"
    points = zip(_scaled(steps, _WIDTH), _HEIGHT - _scaled(losses, _HEIGHT), strict=True)
    curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    size = f'width="{_WIDTH + 6}" height="{_HEIGHT + 6}"'
    box = f'viewBox="-3 -3 {_WIDTH + 6} {_HEIGHT + 6}"'
    yield f'<svg role="img" {size} {box} style="max-width: 100%; display: block">'
    yield f'<title>{words}</title><polyline points="{curve}" fill="none" stroke="currentColor" '
    yield f'stroke-width="1.5"/></svg><small>{words}</small>'


def _scaled(values: np.ndarray, size: int) -> np.ndarray:
    """From 0, for the least, to `size` for the largest."""
    values = values.astype(np.float64) / 2  # the difference of two numbers may be too large
    low, high = values.min(), values.max()
    share = (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
    return np.asarray(share * size)


# -- what was done, and found -------------------------------------------------------------------


def _interventions(run: Run) -> Iterator[str]:
    done = [at for at in run.interventions if not at.refused]
    for at in done:
        word, _, for_what, came_of_it = terminal.told(at, run.info.exit_code is None)
        head = f"<b>{escape(word)}</b> {escape(at.remedy)}, {escape(for_what)}"
        yield f"<p>{head}<br><small>{escape(came_of_it)}</small></p>"


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Each can be opened, and the first is; those of one kind and cause are told together."""
    for place, alike in enumerate(terminal.together(findings)):
        first = alike[0]
        serious = first.severity > Severity.NOTE
        label = first.severity.label
        badge = _badge(f"{terminal.SIGN[first.severity]} {label}", label)
        where = "; ".join(terminal.where(finding) for finding in alike)
        opened = " open" if serious and not place else ""
        yield f"<details{opened}><summary>{badge} <b>{escape(first.slug)}</b>, "
        yield f"{escape(first.cause.slug)}: {escape(where)}</summary>"
        yield '<table style="margin: 2px 0 8px 1.5em; border: 0">'
        for title, text in _told(first):
            yield f'<tr><th scope="row" style="{_CELL}; vertical-align: top">{title}</th>'
            yield f'<td style="text-align: left">{text}</td></tr>'
        yield "</table></details>"


def _told(finding: Finding) -> Iterator[tuple[str, str]]:
    cause = finding.cause
    yield "cause", f"<b>{escape(cause.slug)}</b> {escape(cause.text)}"
    if finding.evidence:
        yield "evidence", escape(", ".join(map(terminal.evidence, finding.evidence)))
    if finding.remedies:
        yield "try", "<br>".join(escape(remedy.text) for remedy in finding.remedies)


# -- the layers ---------------------------------------------------------------------------------


def _layers(diagnosis: Diagnosis) -> Iterator[str]:
    """Of very many layers those with findings and the first of the others."""
    if not diagnosis.layers:
        return
    found = terminal.worst(diagnosis.findings)
    shown: Sequence[LayerSummary] = diagnosis.layers
    if len(shown) > terminal.MOST_LAYERS:
        shown = terminal.chosen(shown, found, terminal.MOST_LAYERS, 2)
    top = max((line.gradient or 0.0 for line in diagnosis.layers), default=0.0)
    titles = ("layer", "units", "function", "firing", "dead", "gradient flow", "update")
    heads = "".join(f'<th scope="col" style="{_CELL}">{title}</th>' for title in titles)
    yield '<div style="overflow-x: auto; margin-top: 8px">'
    yield f'<table style="border: 0"><thead><tr>{heads}</tr></thead><tbody>'
    for line in shown:
        cells = "".join(f'<td style="{_CELL}">{cell}</td>' for cell in _cells(line, top))
        head = f'<th scope="row" style="{_CELL}">{escape(terminal.short(line.name))}</th>'
        yield f"<tr>{head}{cells}</tr>"
    yield "</tbody></table></div>"
    hidden = len(diagnosis.layers) - len(shown)
    if hidden:
        yield f"<small>… and {plural(hidden, 'more layer')} without findings</small>"


def _cells(line: LayerSummary, top: float) -> Iterator[str]:
    yield f"{line.units:,}"
    yield escape(line.function or "")
    yield "" if line.firing is None else _bar(line.firing, _BLUE) + percent(line.firing)
    dead = line.dead
    yield "" if dead is None else _bar(dead / line.units, _VERMILION) + f"{dead:,}"
    flow = line.gradient
    yield "" if flow is None else _bar(terminal.loudness(flow, top), _BLUE) + number(flow)
    yield "" if line.update_ratio is None else percent(line.update_ratio)


def _bar(share: float, colour: str) -> str:
    """The number beside it says the same."""
    end = f"{100 * min(max(share, 0.0), 1.0):.0f}%" if share == share else "0%"
    ground = f"linear-gradient(to right, {colour} {end}, #88888844 {end})"
    box = "display: inline-block; width: 5em; height: 0.6em; margin-right: 6px"
    return f'<span aria-hidden="true" style="{box}; background: {ground}"></span>'
