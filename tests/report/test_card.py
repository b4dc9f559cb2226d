"""What a notebook shows of a run."""

import sqlite3
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.diagnosis.test_properties import runs as any_runs
from tests.diagnosis.test_rules import FLAT, dying
from tests.diagnosis.test_treated import done, treated
from tests.record.observations import written
from tests.records import a_run

from reluctant import diagnose, load
from reluctant.record.run import Run

VOID = {"br", "polyline"}
HOSTILE = """<script>alert("1")</script><img src=x onerror='alert(2)'>&amp;"""


class Page(HTMLParser):
    """Refuses what does not close what it opens, and keeps what is read and what is in tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def page(run: Run) -> Page:
    return Page(run._repr_html_())


def sick() -> Run:
    return a_run(sites={1: dying(8, 19, 4.0), 2: dying(3, 5, 4.0)}, losses=FLAT)


def test_the_essential_words() -> None:
    text = " ".join(page(sick()).text.split())
    for words in (
        "reluctant error train.py",
        "191 steps, 9.0 s, 20 steps observed",
        "✖ error dead-units , killed-by-step: layer layer1: 19 of 20 units",
        "• note dead-units , killed-by-step: layer layer2: 5 of 20 units",
        "cause killed-by-step The update",
        "loss 2.3 at step 0, 2.3 at step 190",
        "layer1 20 relu 2.5 % 19 0.001 0.1 %",
    ):
        assert words in text, text


@settings(max_examples=40)
@given(any_runs())
def test_any_run_is_shown(run: Run) -> None:
    text = page(run).text
    for finding in diagnose(run).findings:
        assert finding.slug in text
    for layer in run.layers:
        assert layer.name in text


def test_names_are_shown_as_they_are() -> None:
    run = sick()
    layers = tuple(replace(at, name=HOSTILE) for at in run.layers)
    info = replace(run.info, script=HOSTILE, arguments=(HOSTILE,), failure=HOSTILE)
    functions = (replace(run.functions[0], name=HOSTILE),)
    shown = page(replace(run, layers=layers, info=info, functions=functions))
    assert "alert" in shown.text
    assert {tag for tag, _ in shown.tags}.isdisjoint({"script", "img"})
    assert all("onerror" not in attributes for _, attributes in shown.tags)


def test_what_is_drawn_is_told_too() -> None:
    shown = page(sick())
    tags = dict(shown.tags)
    assert tags["svg"]["role"] == "img"
    assert shown.text.count("loss 2.3 at step 0, 2.3 at step 190") == 2, "as a title and below"
    bars = [at for tag, at in shown.tags if tag == "span"]
    assert bars
    assert all(at["aria-hidden"] == "true" for at in bars)


def test_nothing_is_fetched_and_nothing_runs() -> None:
    for tag, attributes in page(sick()).tags:
        assert tag not in ("script", "link", "img", "iframe", "style")
        assert not {"src", "href"} & set(attributes)
        assert "url(" not in str(attributes.get("style"))


def test_the_curve_goes_through_all_losses() -> None:
    losses = [4.0, None, float("nan"), 1.0, 2.0]
    shown = page(a_run(steps=[0, 1, 2, 3, 10], losses=losses))
    points = dict(shown.tags)["polyline"]["points"]
    assert points == "0.0,0.0 96.0,56.0 320.0,37.3"


def test_what_was_done_is_told() -> None:
    text = " ".join(page(treated(done(200), done(300, None, 1))).text.split())
    assert "✔ kept rescale, step 200, for dead-units (born-dead), layer layer1: 20 units" in text
    assert "dead-units: 20 before, 0 predicted, 0 after." in text
    assert "Not judged before the end." in text


def test_many_layers_are_shortened() -> None:
    text = page(a_run(depth=100)).text
    assert "… and 77 more layers without findings" in text
    assert "layer99" not in text


def test_of_many_findings_the_first_alone_is_open() -> None:
    opened = [at for tag, at in page(sick()).tags if tag == "details" and "open" in at]
    assert len(opened) == 1
    healthy = a_run(sites={1: dying(8, 4, 4.0)})
    assert diagnose(healthy).verdict == "healthy"
    assert not [at for tag, at in page(healthy).tags if tag == "details" and "open" in at]


def test_a_run_of_which_nothing_was_seen() -> None:
    text = page(replace(a_run(), samples=(), sites=(), layers=())).text
    assert "nothing seen" in text
    assert "healthy" not in text


def test_a_record_that_is_damaged_says_so(tmp_path: Path) -> None:
    written(tmp_path)
    with sqlite3.connect(tmp_path / "rank-0.sqlite") as connection:
        connection.execute("UPDATE site_sample SET mean = x'00'")
    connection.close()
    assert "is damaged" in page(load(tmp_path)).text


def test_a_run_is_one_line_elsewhere(tmp_path: Path) -> None:
    run = load(written(tmp_path))
    assert repr(run) == f"<reluctant.Run of train.py, 2 layers, 3 steps observed, {tmp_path}>"


@pytest.mark.parametrize("size", [1, 2])
def test_losses_of_one_size(size: int) -> None:
    shown = page(a_run(steps=range(size), losses=[1.0] * size))
    assert ("polyline" in dict(shown.tags)) == (size == 2)
