"""The generated pages are what the generator would write today."""

import re
import runpy
from pathlib import Path

import matplotlib
import pytest
from benchmarks.ward.sensitivity import Threshold, thresholds
from benchmarks.ward.sick import SICK

from reluctant.activations import CATALOGUE
from reluctant.diagnosis import RULES
from reluctant.facts import facts
from reluctant.report import curves

DOCS = Path(__file__).parents[1] / "docs"
FINDINGS = DOCS / "findings"
AGAIN = "run `python docs/generate.py`"
GENERATED = runpy.run_path(str(DOCS / "generate.py"))
SLUGS = [rule.slug for rule in RULES]


def test_no_page_is_stale_or_missing() -> None:
    texts = GENERATED["texts"]()
    for name, text in texts.items():
        assert (DOCS / name).read_text(encoding="utf-8") == text, AGAIN
    pictures = {f"functions/{name}.svg" for name in CATALOGUE}
    there = [*(DOCS / "functions").iterdir(), *FINDINGS.glob("*.md"), DOCS / "lecture.md"]
    assert {str(path.relative_to(DOCS)) for path in there} == texts.keys() | pictures, AGAIN


@pytest.mark.parametrize("name", ["relu", "mish", "tanh"])
def test_pictures_are_not_stale(name: str, tmp_path: Path) -> None:
    """Three stand for all, which one program draws."""
    old = (DOCS / "functions" / f"{name}.svg").read_text(encoding="utf-8")
    if f"Matplotlib v{matplotlib.__version__}" not in old:
        pytest.skip("the pictures were drawn by another version of matplotlib")
    curves.draw([facts(CATALOGUE[name])], tmp_path / "new.svg")
    assert (tmp_path / "new.svg").read_text(encoding="utf-8") == old, AGAIN


def test_a_stale_page_would_be_found_out() -> None:
    entry = facts(CATALOGUE["relu"])
    written = GENERATED["page"](entry)
    assert GENERATED["page"](entry | {"formula": "Max(z, 1)"}) != written


@pytest.mark.parametrize("threshold", thresholds(), ids=str)
def test_a_threshold_that_moves_makes_a_page_stale(
    threshold: Threshold, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = GENERATED["findings"]()
    for module in threshold.modules:
        monkeypatch.setattr(f"{module}.{threshold.name}", threshold.moved()[0])
    missing = f"say in docs/templates what {threshold} is for, as {{{threshold}}}"
    assert GENERATED["findings"]() != written, missing


def test_every_finding_has_a_template_and_an_example() -> None:
    templates = {path.stem for path in (DOCS / "templates").iterdir()}
    assert templates == {"README", *SLUGS}
    examples = {path.name for path in (FINDINGS / "examples").iterdir()}
    assert examples == {"mistakes.json", *(f"{slug}.txt" for slug in SLUGS)}


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_holds_its_example_and_explains_the_causes(slug: str) -> None:
    page = (FINDINGS / f"{slug}.md").read_text(encoding="utf-8")
    example = (FINDINGS / "examples" / f"{slug}.txt").read_text(encoding="utf-8")
    assert example in page
    assert "- false alarm: " in page
    (said,) = re.findall(r"^  cause +(\S+)", example, re.MULTILINE)
    for cause in {said}.union(*(case.findings.get(slug, ()) for case in SICK)):
        assert f"`{cause}`" in page


@pytest.mark.parametrize("name", ["README", *SLUGS])
def test_links_lead_somewhere(name: str) -> None:
    page = (FINDINGS / f"{name}.md").read_text(encoding="utf-8")
    for path, _, heading in re.findall(r"\]\(([^)#]*)(#([^)]*))?\)", page):
        target = FINDINGS / (path or f"{name}.md")
        assert target.is_file(), path
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert not heading or heading in {at.lower().replace(" ", "-") for at in headings}
