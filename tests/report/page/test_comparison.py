"""What the page of a comparison carries and says, read without a browser."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.page import comparisons
from tests.report.page.comparisons import PRELU, SILU, drawn
from tests.report.page.reading import decoded, figures, unpacked
from tests.report.page.subjects import HOSTILE
from tests.report.page.test_page import marks

from reluctant.record.comparison import Candidate, Comparison
from reluctant.report.page import contest as contest_page
from reluctant.report.page.differences import differences
from reluctant.report.page.race import race


def rows(page: str) -> list[list[str]]:
    """The cells of the table, without their marks."""
    (body,) = re.findall(r"<tbody>(.*?)</tbody>", page, re.DOTALL)
    cell = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
    cells = map(cell.findall, body.split("</tr>"))
    return [[re.sub(r"<[^>]+>", "", at) for at in row] for row in cells if row]


@pytest.mark.parametrize("name", [*comparisons.ALL, *comparisons.HOSTILES])
def test_a_page_fetches_nothing_and_leads_nowhere_but_within_itself(name: str) -> None:
    page = comparisons.page(name)
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert all(at == "data:," or at[1:] in ids for at in marks(page).addresses)
    assert not re.search(r"url\(|@import", page)


@pytest.mark.parametrize(
    ("name", "usual"), [("hostile_contest", "contest"), ("hostile_discovery", "discovery")]
)
def test_hostile_names_are_text(name: str, usual: str) -> None:
    page = comparisons.page(name)
    found = marks(page)
    assert not found.handlers
    assert set(found.tags) <= set(marks(comparisons.page(usual)).tags)
    assert HOSTILE not in page
    # In a figure text is a kind of HTML, and is so made that it is text again.
    assert HOSTILE not in unpacked(page, "figures").decode().replace('\\"', '"')


def test_the_table_of_a_comparison() -> None:
    found = rows(comparisons.page("contest"))
    assert found == [
        ["baseline", "9", "0.9", "", "", "", "1.2 ms", "300 MB", "4 bytes", "12"],
        ["prelu", "9", "0.93", "0.03 (0.01 to 0.06)", "✔ better", "1.2", "1.5 ms",
         "310 MB", "", ""],
        ["silu", "8", "0.905", "0.0056 (−0.02 to 0.06)", "○ no difference shown", "0.1", "1.4 ms",
         "310 MB", "8 bytes", "0"],
        ["tanh", "4", "0.8", "−0.1 (−0.3 to −0.05)", "✖ worse", "−3", "1.3 ms", "", "", ""],
    ]  # fmt: skip


def test_rates_have_a_column_where_they_were_tuned() -> None:
    (first, second) = rows(comparisons.page("few"))
    assert first[6] == "3 times"
    assert second[3:6] == ["0.01 (too few pairs)", "○ no difference shown", ""]
    assert len(first) == len(second) == 11


def test_the_table_of_a_search_and_the_lines_that_define_what_it_found() -> None:
    page = comparisons.page("discovery")
    assert rows(page) == [
        ["as it stands", "0.75", "", "", "", "", ""],
        ["max(z, tanh(z))", "0.5", "1", "5", "−0.25 (−0.3 to −0.2)", "✔ better", "3"],
        ["silu(z)", "0.8", "", "5", "0.05 (−0.1 to 0.2)", "○ no difference shown", ""],
    ]
    assert page.count("reluctant.register(&#34;found_1&#34;") == 1
    assert "reluctant run --swap &#39;relu=max(z, tanh(z))&#39; train.py --epochs 3" in page


def test_every_function_is_drawn_over_what_the_script_has() -> None:
    page = comparisons.page("contest")
    found, block = figures(page), unpacked(page, "numbers")
    relu, prelu = found["function-0"]["data"], found["function-1"]["data"]
    assert [at["line"]["dash"] for at in relu] == ["dash", "solid"]
    assert [at["line"]["dash"] for at in prelu] == ["dot", "dash", "solid"]
    ends = [decoded(at["y"], block)[0, [0, -1]].tolist() for at in (prelu[0], prelu[2])]
    assert ends == [pytest.approx([0, 6], abs=1e-3), pytest.approx([-1.5, 6], abs=1e-3)]
    assert "What is learnt is drawn as it starts." in page


def test_a_function_without_a_curve_is_left_out() -> None:
    page = contest_page.render(comparisons.contest(), {})
    assert 'id="functions"' not in page
    assert "function-" not in unpacked(page, "figures").decode()


def test_means_intervals_and_pairs_are_where_they_belong() -> None:
    drawn_ = figures(comparisons.page("contest"))["differences-plot"]
    *intervals, pairs, means = drawn_["data"]
    assert [at["x"] for at in intervals] == [[0.01, 0.06], [-0.02, 0.06], [-0.3, -0.05]]
    assert means["x"] == [0.03, 0.0056, -0.1]
    assert means["marker"]["symbol"] == ["diamond", "circle-open", "x"]
    known = [at for at in (*PRELU, *SILU) if at is not None]
    assert pairs["x"][: len(known)] == pytest.approx(known)
    assert pairs["customdata"][9] == "silu<br>seed 5: 0.02"
    assert pairs["customdata"][11] == "silu<br>seed 8: 0.03", "seed 7 made no pair"


NUMBERS = st.floats(-1e6, 1e6)
CANDIDATES = st.lists(
    st.builds(
        lambda each, reach: Candidate(
            "f", len(each), 0.0, sum(each) / len(each), sum(each) / len(each) - reach,
            sum(each) / len(each) + reach, "no difference shown", 1.0, tuple(each),
        ),
        st.lists(NUMBERS, min_size=1, max_size=5),
        st.floats(0, 1e9),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


@given(CANDIDATES, st.sampled_from(["high", "low"]))
def test_every_pair_and_zero_are_within_the_picture(found: list[Candidate], way: Any) -> None:
    figure = differences(Comparison("m", way, "b", 0.0, tuple(found)), ["seed"] * 5, "key")
    left, right = figure.layout["xaxis"]["range"]
    assert left < 0 < right
    assert all(left < at < right for at in (*figure.data[-1]["x"], *figure.data[-2]["x"]))
    cut = any(at.low < left or at.high > right for at in found)  # type: ignore[operator]
    assert ("goes on beyond" in figure.text) == cut


@pytest.mark.parametrize(("way", "sign"), [("high", 1), ("low", -1)])
def test_the_race_shows_who_was_ahead_and_where_each_was_stopped(way: Any, sign: int) -> None:
    known = comparisons.contest()
    comparison = replace(known.comparison, direction=way)
    figure = race(replace(known, comparison=comparison), "key")
    grid, gaps = figure.data
    assert grid["z"][2] == pytest.approx([sign * at for at in PRELU])
    assert grid["text"][0] == ["−" if sign > 0 else "+"] * 4 + [""] * 5
    (bar,) = figure.layout["shapes"]
    assert (bar["x0"], bar["y0"], bar["y1"]) == (3.5, -0.4, 0.4)
    assert (gaps["x"], gaps["y"]) == ([2], [1])
    assert grid["customdata"][1][2] == "silu, seed 7<br>no pair: one of both came to no number"
    assert grid["customdata"][0][4].startswith("tanh, seed 9<br>not run: stopped after 4 seeds")
    ahead = 0 if sign > 0 else 4
    assert f"tanh: better in {ahead} of 4 pairs; stopped after 4 seeds" in figure.text


def test_the_best_comes_first_and_its_use_is_told_where_it_is_better() -> None:
    page = comparisons.page("contest")
    assert "<code>reluctant run --swap relu=prelu train.py --epochs 4</code>" in page
    assert "To use it" not in comparisons.page("few")
    known = comparisons.contest()
    better = tuple(replace(at, verdict="better") for at in known.comparison.candidates)
    lower = replace(known.comparison, candidates=better, direction="low")
    page = contest_page.render(replace(known, comparison=lower), drawn("relu", "tanh"))
    assert [row[0] for row in rows(page)] == ["baseline", "tanh", "silu", "prelu"]
    assert "--swap relu=tanh" in page
