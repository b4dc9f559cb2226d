"""The unit map: one hidden activation's units by time, the dead ones taken out of the colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reluctant.record.columns import stretches, together
from reluctant.record.run import Ints, SiteSeries
from reluctant.report.page.columns import MOST_COLUMNS, Columns
from reluctant.report.page.figure import (
    CIVIDIS,
    DEAD,
    REMEDY,
    Figure,
    Numbers,
    axis,
    mark,
    marked,
    scale,
)
from reluctant.report.page.profile import Profile, bounds
from reluctant.report.page.subject import Subject
from reluctant.words import number, percent, plural

# So many cells fit a page of all layers together, and no map has more rows, or fewer, than these.
MOST_CELLS = 2_000_000
MOST_ROWS, FEWEST_ROWS = 256, 6

# A margin is told to a tenth of a standard deviation, down to this.
LOWEST_MARGIN = -25.0

# A finding of these says which units are at the function's flat end for good.
STUCK = {"dead-units": "dead", "saturated-units": "saturated"}


@dataclass(frozen=True)
class Row:
    """Units in one row of a map, and the samples (of the series) that each stretch has them dead.

    `dead` gives for each stretch of the run the first of these samples, None where they live.
    """

    units: tuple[int, ...]
    dead: tuple[int | None, ...]


@dataclass(frozen=True)
class UnitMap:
    """A map with what is said above it: the layer, how many units are dead at the end of how many.

    `rows` is how many rows of the picture show the units that were read.
    """

    figure: Figure
    profile: Profile
    word: str
    dead: int
    rows: int

    @property
    def together(self) -> int:
        """How many units there are in the fullest row; 1 if each has its own."""
        return -(-self.profile.read // max(self.rows, 1))


def room(layers: int, columns: int) -> int:
    """How many rows each map of so many may have."""
    share = MOST_CELLS // max(1, layers * columns)
    return max(FEWEST_ROWS, min(MOST_ROWS, share))


def unit_map(
    subject: Subject,
    profile: Profile,
    series: SiteSeries,
    columns: Columns,
    most: int,
    numbers: Numbers,
    key: str,
) -> UnitMap:
    """The map of one hidden activation, of `most` rows at most."""
    word, dead = _stuck(subject, profile)
    rows = _rows(profile, dead, most)
    rate, margin = _cells(profile, series, rows, columns)
    spans = list(_spans(subject, profile, rows, columns))
    for first, last, begin, end in spans:
        rate[first : last + 1, begin : end + 1] = np.nan
    count = int(dead[-1].sum())
    marks = _marks(subject, profile, columns)
    layout = {
        "xaxis": columns.axis(showgrid=False),
        "yaxis": axis(
            "units", showticklabels=False, ticks="", showgrid=False, range=[len(rows) - 0.5, -0.5]
        ),
        "margin": {"l": 26, "r": 18, "t": 34 if len(marks) > 1 else 20, "b": 40},
    }
    figure = Figure(
        key,
        [
            {
                "type": "heatmap",
                "z": numbers.add(rate, 0, 1, fine=False),
                "zmin": 0, "zmax": 1, "colorscale": scale(CIVIDIS), "showscale": False,
            }
        ],
        marked(layout, marks),
        _text(profile, word, count, columns),
        height=230,
        hover={
            "kind": "units",
            "rows": [_name(row, profile.sites[0].stride) for row in rows],
            "columns": columns.labels,
            "margin": numbers.add(margin, LOWEST_MARGIN, 0.0, fine=False),
            "spans": spans,
            "word": word,
        },
    )  # fmt: skip
    return UnitMap(figure, profile, word, count, len(rows))


def _stuck(subject: Subject, profile: Profile) -> tuple[str, NDArray[np.bool_]]:
    """What they are called, and which of the read units are so at each stretch's end, (S, U)."""
    found = np.zeros((len(subject.stretches), profile.read), dtype=bool)
    word = "dead" if profile.function.switches_off else "saturated"
    for place, stretch in enumerate(subject.stretches):
        for finding in stretch.diagnosis.findings:
            if finding.slug in STUCK and finding.layer == profile.label and finding.units:
                at = np.array(finding.units.indices, dtype=np.int64) // finding.units.stride
                found[place, at[at < profile.read]] = True
                word = STUCK[finding.slug]
    return word, found


# -- rows -------------------------------------------------------------------------------------


def _rows(profile: Profile, dead: NDArray[np.bool_], most: int) -> list[Row]:
    """The living first, the busiest on top; then what died in an earlier stretch; last the dead.

    Of two dead units the one that died later comes first, so that deaths rise like water.
    """
    stretches_, units = dead.shape
    # By the last stretch in which a unit was dead, and since when; lexsort's last key leads.
    when = np.where(dead.any(axis=0), stretches_ - np.argmax(dead[::-1], axis=0), 0)
    since = np.where(when > 0, -profile.quiet[np.maximum(when - 1, 0), np.arange(units)], 0)
    order = np.lexsort((-profile.rate, since, when))
    rows: list[Row] = []
    for group in np.unique(when):
        members = order[when[order] == group]
        size = max(1, min(len(members), round(most * len(members) / units)))
        parts = np.array_split(members, len(members) if units <= most else size)
        rows += [_row(profile, dead, part) for part in parts]
    return rows


def _row(profile: Profile, dead: NDArray[np.bool_], units: Ints) -> Row:
    # What is hatched is dead in all of the row's units.
    whole, quiet = np.all(dead[:, units], axis=1), np.max(profile.quiet[:, units], axis=1)
    since = tuple(
        last if dies else None for dies, last in zip(whole.tolist(), quiet.tolist(), strict=True)
    )
    return Row(tuple(units.tolist()), since)


def _name(row: Row, stride: int) -> str:
    named = ", ".join(str(unit * stride) for unit in row.units[:3])
    if len(row.units) == 1:
        return f"unit {named}"
    return f"{len(row.units):,} units: {named}{' …' if len(row.units) > 3 else ''}"


def _cells(
    profile: Profile, series: SiteSeries, rows: Sequence[Row], columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(R, C) twice: the mean firing rate of each cell, and, where it is zero, the margin."""
    order = np.concatenate([row.units for row in rows])
    starts = np.cumsum([0, *(len(row.units) for row in rows)])[:-1]
    sizes = np.diff([*starts, len(order)])
    fired, values = np.zeros((columns.count, len(rows))), np.zeros(columns.count)
    margin = np.full((columns.count, len(rows)), -np.inf)
    at_all = columns.of[series.samples]
    np.add.at(values, at_all, series.values)
    # A sample a column is the rule, and much faster.
    alone = columns.count == len(columns.of)
    for at in stretches(series.fired):
        some, high, std = together(at, series.fired, series.high, series.std)
        where = at_all[at]
        total = np.add.reduceat(some[:, order], starts, axis=1)
        reach = np.where((some == 0) & (std > 0), high / np.where(std > 0, std, 1), -np.inf)
        most = np.maximum.reduceat(reach[:, order], starts, axis=1)
        if alone:
            fired[where], margin[where] = total, most
        else:
            np.add.at(fired, where, total)
            np.maximum.at(margin, where, most)
    rate = fired / np.where(values > 0, values, np.nan)[:, None] / sizes
    # The smallest rate that is not zero does not look like it.
    rate = np.where((rate > 0) & (rate < 1 / 254), 1 / 254, rate)
    return rate.T, np.where(rate == 0, margin, np.nan).T


def _spans(
    subject: Subject, profile: Profile, rows: Sequence[Row], columns: Columns
) -> list[tuple[int, int, int, int]]:
    """Where rows are dead: first and last row, first and last column; alike rows together."""
    spans: list[tuple[int, int, int, int]] = []
    for place, (_, end) in enumerate(bounds(subject, profile.samples)):
        for number_, row in enumerate(rows):
            since = row.dead[place]
            if since is None or since >= end:
                continue
            begin, last = (int(columns.of[profile.samples[at]]) for at in (since, end - 1))
            if since and columns.of[profile.samples[since - 1]] == begin:
                begin += 1  # they were still heard in this column
            if begin > last:
                continue
            if spans and spans[-1][1] == number_ - 1 and spans[-1][2:] == (begin, last):
                spans[-1] = (spans[-1][0], number_, begin, last)
            else:
                spans.append((number_, number_, begin, last))
    return spans


# -- what is said -----------------------------------------------------------------------------


def _marks(subject: Subject, profile: Profile, columns: Columns) -> list[dict[str, Any]]:
    """Lines where a step killed and where a remedy was applied."""
    found = [
        mark(columns.edge(at.step), at.remedy, REMEDY, columns.count, dash="dash")
        for at in subject.run.interventions
        if not at.refused and (at.units is None or at.layer == profile.label)
    ]
    for stretch in subject.stretches:
        for finding in stretch.diagnosis.findings:
            if finding.slug not in STUCK or finding.layer != profile.label:
                continue
            for at in finding.evidence:
                if at.name == "killed" and at.step is not None:
                    step = at.step + subject.step(stretch.first)
                    text = f"{at.value:,.0f} died"
                    place = columns.place(step) + 0.5
                    found.append(mark(place, text, DEAD, columns.count, level=len(found) % 2))
    return found


def _text(profile: Profile, word: str, count: int, columns: Columns) -> str:
    told = (
        f"Heat map of layer {profile.label}: {plural(profile.read, 'unit')} by "
        f"{plural(columns.count, 'column')} of time, {profile.function.label}."
    )
    if count:
        since = profile.steps[np.minimum(profile.quiet[-1], len(profile.steps) - 1)]
        told += f" {plural(count, 'unit')} {word} at the end"
        told += f", the earliest silent since step {int(since.min()):,}." if since.size else "."
    else:
        told += f" No unit is {word} at the end."
    finite = profile.firing[np.isfinite(profile.firing)]
    if finite.size:
        told += f" The mean firing rate went from {percent(finite[0])} to {percent(finite[-1])}."
    return told


def downsampled(maps: Sequence[UnitMap], columns: Columns) -> str | None:
    """A sentence about what was put together to fit, if anything was."""
    told = []
    fullest = max((at.together for at in maps), default=1)
    if fullest > 1:
        told.append(
            f"Up to {number(fullest)} units share a row: units are sorted first, so that those in "
            "one row behave alike, and a cell shows their mean. A row is hatched where all its "
            "units are dead."
        )
    if columns.fullest > 1:
        told.append(
            f"Up to {number(columns.fullest)} samples, one after another, share a column; the "
            f"first {MOST_COLUMNS // 2} have columns of their own."
        )
    read = [at.profile for at in maps if at.profile.read < at.profile.units]
    if read:
        stride = max(at.sites[0].stride for at in read)
        told.append(f"In this large network every {number(stride)}th unit was read.")
    return " ".join(told) or None
