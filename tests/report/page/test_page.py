"""What a page carries and says, read without a browser."""

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.records import INPUTS, Memory, a_run
from tests.report.page import subjects
from tests.report.page.reading import decoded, figures, unpacked

from reluctant.cli.report import subject
from reluctant.diagnosis import RULES
from reluctant.errors import NotInstalled
from reluctant.record.histogram import EDGES
from reluctant.record.run import Function
from reluctant.report.page import library, manual
from reluctant.report.page.compose import render

# What follows would be fetched.
FETCHED = {"src", "srcset", "poster", "action", "formaction", "background"}


class Marks(HTMLParser):
    """The tags of a page, and the addresses that it would fetch or lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.addresses: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        for name, value in attrs:
            if name in FETCHED or name == "href":
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)


def marks(page: str) -> Marks:
    found = Marks()
    found.feed(page)
    return found


@pytest.mark.parametrize("name", [*subjects.ALL, "hostile"])
def test_a_page_fetches_nothing_and_leads_nowhere_but_within_itself(name: str) -> None:
    page = render([getattr(subjects, name)()])
    found = marks(page)
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert all(at == "data:," or at[1:] in ids for at in found.addresses)
    assert not re.search(r"url\(|@import", page)


def test_hostile_names_are_text() -> None:
    page = render([subjects.hostile()])
    found, usual = marks(page), marks(render([subjects.dying()]))
    assert not found.handlers
    # The mark of the remedy that was applied is in bold in every page.
    assert set(found.tags) <= set(usual.tags) | {"b", "ul", "li"}
    assert page.count("<script") == usual.tags["script"]
    assert subjects.HOSTILE not in page


def test_numbers_come_as_they_were_recorded() -> None:
    page = render([subjects.dying()])
    drawn, block = figures(page), unpacked(page, "numbers")
    mean = decoded(drawn["run0-activations"]["data"][2]["y"], block)
    assert mean.shape == (20, 3)
    assert mean[-1] == pytest.approx([0, -3.5, 0], abs=1e-3)
    ratio = decoded(drawn["run0-ratios"]["data"][0]["z"], block)
    assert ratio == pytest.approx(np.full((4, 20), -3.0), abs=1e-3)
    flow = decoded(drawn["run0-flow"]["data"][0]["y"], block)
    assert flow == pytest.approx(np.full((20, 3), 1e-3), rel=1e-3)


def test_a_run_that_went_to_nan_has_a_page() -> None:
    bad = np.full((20, 20), 0.5)
    bad[10:] = np.nan
    losses = [2.3] * 10 + [float("nan")] * 10
    run = a_run(sites={0: {"mean": bad, "std": bad}}, rows={0: {"update": bad}}, losses=losses)
    page = render([subject(run)])
    assert "non-finite" in page
    assert "NaN" not in unpacked(page, "figures").decode()


@pytest.mark.parametrize(
    "run",
    [
        a_run(depth=0),
        a_run(steps=[0]),
        a_run(losses=[None] * 20),
        replace(a_run(depth=1), sites=()),
        a_run(function="tanh", fed={"mean": 100.0}, head={}),
    ],
    ids=["no activation", "one sample", "no loss", "no site", "data and a head"],
)
def test_a_record_of_little_has_a_page(run: object) -> None:
    assert render([subject(run)]).rstrip().endswith("</html>")  # type: ignore[arg-type]


def test_two_runs_share_the_scale_of_their_loss() -> None:
    falls = subject(a_run(depth=1, losses=np.geomspace(2.3, 0.01, 20).tolist()))
    drawn = figures(render([subjects.dying(), falls]))
    axes = [drawn[f"run{at}-loss"]["layout"]["yaxis"] for at in (0, 1)]
    assert axes[0] == axes[1]
    assert axes[0]["type"] == "log"
    low, high = axes[0]["range"]
    assert low < -2 < 0.36 < high
    drawn = figures(render([subjects.dying()]))
    assert "type" not in drawn["run0-loss"]["layout"]["yaxis"]


def test_every_finding_has_a_page_of_the_manual() -> None:
    slugs = frozenset(rule.slug for rule in RULES)
    for slug in slugs:
        html = manual.entry(slug, slugs)
        assert html is not None
        assert "How it is measured" in html
        assert "$" not in html
        assert "@formula" not in html
        assert {at[6:] for at in re.findall(r'href="([^"]+)"', html)} <= slugs


def test_what_a_page_needs_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match=r"plotly.*pip install 'reluctant\[report\]'"):
        render([subjects.empty()])


# -- which part of a function is used -----------------------------------------------------------


@pytest.mark.parametrize(
    ("mean", "std", "ends"),
    [(0, 1, [-6, 6]), (-20, 3, [-31, 6]), (10, 1, [-6, 15]), (0, 500, [-2047, 2047])],
)
def test_a_function_is_shown_as_far_as_it_is_used(
    mean: float, std: float, ends: list[float]
) -> None:
    page = render([subject(a_run(depth=1, sites={0: {"mean": mean, "std": std}}))])
    assert figures(page)["run0-function-0"]["layout"]["xaxis"]["range"] == ends


def test_the_bars_hold_what_was_counted() -> None:
    """Of the layer that died: at first and at the end, when 14 of 20 units are fed -5."""
    run = subjects.dying().run
    page = render([subjects.dying()])
    block = unpacked(page, "numbers")
    drawn, outline, _ = figures(page)["run0-function-0"]["data"]
    counts = run.series.histogram(subjects.DYING_LAYER).counts
    widths, row = np.array(drawn["width"]), 1 + subjects.DYING_LAYER
    edges = np.append(np.array(drawn["x"]) - widths / 2, drawn["x"][-1] + widths[-1] / 2)
    assert outline["x"] == edges.tolist()
    for heights, seen in (
        (decoded(drawn["y"], block)[row], counts[16:].sum(axis=0)),
        (decoded(outline["y"], block)[row][:-1], counts[0]),
    ):
        at = np.searchsorted(EDGES, edges)
        held = np.add.reduceat(seen, at[:-1])[: len(widths)]
        held[-1] = seen[at[-2] : at[-1]].sum()
        assert heights * widths == pytest.approx(held / seen.sum(), abs=1e-4)
    assert decoded(drawn["customdata"], block)[row] == pytest.approx(
        decoded(drawn["y"], block)[row] * widths * 100, abs=1e-2
    )
    assert drawn["text"][0] == "−6 to −5.75"


def said(page: str, row: int) -> str:
    """The words below the figure of the one function, once a layer is chosen."""
    found = re.search(r'<select id="run0-function-0-layer"[^>]* data-labels="([^"]*)"', page)
    assert found is not None
    words: list[str] = json.loads(unescape(found[1]))
    assert words[0] in unescape(page.split("<output")[-1])
    return words[row]


def test_how_much_lies_where_the_function_is_flat_is_said() -> None:
    page = render([subjects.dying()])
    # A mean rate of a half at first; at the end 14 of 20 units are silent.
    fired = np.linspace(20, 180, 20)
    alive = np.delete(fired, subjects.DYING_UNITS).sum() / (20 * INPUTS)
    assert said(page, 2).startswith(
        f"At the end {100 * (1 - alive):.0f} % of its inputs lay where relu is flat, at first 50 %."
    )
    other = replace(subjects.dying().run, functions=(Function(0, "leaky_relu", {"slope": 0.01}),))
    assert said(render([subject(other)]), 0).startswith("leaky_relu(0.01) is flat nowhere.")


def test_what_lies_beyond_the_picture_is_said() -> None:
    """One layer of many is fed far less than the others."""
    sites = {at: {"mean": 0.0, "std": 1.0} for at in range(60)} | {7: {"mean": -50.0}}
    page = render([subject(a_run(depth=60, sites=sites, steps=[0, 1]))])
    assert "100 % lay beyond the ends of the picture." in said(page, 8)
    assert "1.7 % lay beyond" in said(page, 0)
    assert "beyond" not in said(page, 1)


def test_where_no_histogram_was_recorded_that_is_said() -> None:
    run = a_run(depth=2)
    assert isinstance(run.series, Memory)
    run.series.counted = False
    page = render([subject(run)])
    assert "No histogram of them was recorded, as in records of an earlier" in said(page, 1)
    assert [at["type"] for at in figures(page)["run0-function-0"]["data"]] == ["scatter"]


def test_where_nothing_was_a_number_in_the_end_that_is_said() -> None:
    bad = np.zeros((20, 20))
    bad[15:] = np.nan
    page = render([subject(a_run(depth=1, sites={0: {"mean": bad, "std": bad + 1}}))])
    assert "None of those at the end was a number." in said(page, 1)
