"""Puts the page of runs together: every section of each."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from reluctant.record.finding import LayerSummary
from reluctant.record.hidden import hidden
from reluctant.record.merging import pool
from reluctant.report.page import facts, grids, manual
from reluctant.report.page.columns import Columns
from reluctant.report.page.depth import Depth, depth
from reluctant.report.page.figure import Figure, Numbers
from reluctant.report.page.findings import Group, Material, groups
from reluctant.report.page.functions import Fed, FunctionFigure, picture
from reluctant.report.page.loss import loss, scale
from reluctant.report.page.profile import Profile, profiles
from reluctant.report.page.subject import Subject
from reluctant.report.page.template import filled
from reluctant.report.page.units import UnitMap, downsampled, room, unit_map

# So many maps are shown at once; the rest at a click.
FEW_MAPS = 12


@dataclass(frozen=True)
class Part:
    """One run on the page, section by section."""

    key: str
    subject: Subject
    findings: list[Group]
    loss: Figure | None
    silence: Figure | None
    maps: list[UnitMap]
    downsampled: str | None
    depth: Depth | None
    ratios: Figure | None
    functions: list[FunctionFigure]

    @property
    def verdict(self) -> str:
        """The verdict, or that there is none."""
        return self.subject.diagnosis.verdict if self.subject.run.samples else "nothing seen"

    @property
    def command(self) -> str:
        """What was run."""
        return facts.command(self.subject.run)

    @property
    def sentence(self) -> str:
        """The run in a sentence."""
        return facts.sentence(self.subject)

    @property
    def advice(self) -> str | None:
        """What to try first."""
        return facts.advice(self.subject)

    @cached_property
    def tiles(self) -> list[facts.Tile]:
        """The numbers at its head."""
        return facts.tiles(self.subject, self.maps)

    @cached_property
    def facts(self) -> list[tuple[str, str]]:
        """What ran, where nothing is unknown."""
        return [(name, text) for name, text in facts.facts(self.subject) if text]

    @property
    def layers(self) -> tuple[LayerSummary, ...]:
        """The rows of the table."""
        return self.subject.diagnosis.layers

    @cached_property
    def signs(self) -> dict[str | None, tuple[str, str]]:
        """The sign and the word of the worst finding of each layer."""
        found: dict[str | None, tuple[str, str]] = {}
        for group in self.findings:
            for layer in group.layers:
                found.setdefault(layer, (group.sign, group.severity))
        return found

    @cached_property
    def shown(self) -> list[UnitMap]:
        """The maps that are shown at once: those with most dead units, in the model's order."""
        order = sorted(range(len(self.maps)), key=lambda at: -self.maps[at].dead)
        return [self.maps[at] for at in sorted(order[:FEW_MAPS])]

    @property
    def hidden(self) -> list[UnitMap]:
        """The other ones."""
        return [at for at in self.maps if at not in self.shown]

    def figures(self) -> list[Figure]:
        """All of its figures."""
        found = [at.figure for at in self.findings]
        found += [self.loss, self.silence, self.ratios, *(at.figure for at in self.maps)]
        found += [at.figure for at in self.functions]
        if self.depth is not None:
            found += [self.depth.flow, self.depth.activations]
        return [at for at in found if at is not None]


def part(subject: Subject, key: str, numbers: Numbers, loss_look: Mapping[str, Any]) -> Part:
    """One run, read once."""
    columns = Columns.over(subject.run)
    most = room(len(hidden(subject.run)), columns.count)
    maps: list[UnitMap] = []
    fed: dict[int, Fed] = {}
    seen: list[Profile] = []
    for place, (profile, series) in enumerate(profiles(subject)):
        seen.append(profile)
        at = f"{key}-units-{place}"
        maps.append(unit_map(subject, profile, series, columns, most, numbers, at))
        histograms = pool([subject.run.series.histogram(site.index) for site in profile.sites])
        fed.setdefault(profile.function.index, Fed(profile.function)).add(profile, histograms)
    ratio, by_layer = grids.ratios(subject, columns, numbers, f"{key}-ratios")
    return Part(
        key,
        subject,
        groups(Material(subject, seen, by_layer), f"{key}-finding"),
        loss(subject, f"{key}-loss", loss_look),
        grids.silence(subject, seen, columns, numbers, f"{key}-silence"),
        maps,
        downsampled(maps, columns),
        depth(subject, seen, columns, numbers, key),
        ratio,
        [picture(at, numbers, f"{key}-function-{index}") for index, at in fed.items()],
    )


def render(subjects: Sequence[Subject], state: str | None = None) -> str:
    """The page of one run, or of some side by side.

    With a `state` the page asks where it came from whether that has changed.

    Raises:
        NotInstalled: a library that the page needs is not there.
    """
    numbers = Numbers()
    # A record may hold NaN anywhere: a gap is what is drawn of it.
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        loss_look = scale(subjects)
        parts = [part(at, f"run{place}", numbers, loss_look) for place, at in enumerate(subjects)]
    slugs = list(dict.fromkeys(at.finding.slug for each in parts for at in each.findings))
    pages = ((slug, manual.entry(slug, frozenset(slugs))) for slug in slugs)
    return filled(
        "page.html",
        [at for each in parts for at in each.figures()],
        numbers,
        state,
        parts=parts,
        manual={slug: html for slug, html in pages if html is not None},
    )
