"""What a page carries and says, read without a browser."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.records import a_run
from tests.report.page import subjects
from tests.report.page.reading import decoded, figures, unpacked

from reluctant.cli.report import subject
from reluctant.diagnosis import RULES
from reluctant.errors import NotInstalled
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


@pytest.mark.parametrize(
    ("mean", "std", "ends"),
    [(0.0, 1.0, [-6, 6]), (-20.0, 3.0, [-32, 6]), (10.0, 1.0, [-6, 16]), (0.0, 500.0, [-32, 32])],
)
def test_a_function_is_shown_as_far_as_it_is_used(
    mean: float, std: float, ends: list[float]
) -> None:
    fed = {"mean": mean, "std": std, "low": mean - 4 * std, "high": mean + 4 * std}
    page = render([subject(a_run(depth=1, sites={0: fed}))])
    drawn, block = figures(page)["run0-function-0"], unpacked(page, "numbers")
    assert drawn["layout"]["xaxis"]["range"] == ends
    bars = drawn["data"][0]
    shares = decoded(bars["y"], block)
    assert shares.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert shares.shape[1] == len(bars["x"])
    # On either side of the mean lies half of it.
    if -32 < mean < 32 and std < 100:
        assert shares[0][np.array(bars["x"]) < mean].sum() == pytest.approx(0.5, abs=0.06)
