"""The generated pages are what the generator would write today."""

import runpy
from pathlib import Path

import matplotlib
import pytest

from reluctant.activations import CATALOGUE
from reluctant.facts import facts
from reluctant.report import curves

DOCS = Path(__file__).parents[1] / "docs"
AGAIN = "run `python docs/generate.py`"
GENERATED = runpy.run_path(str(DOCS / "generate.py"))


def test_no_page_is_stale_or_missing() -> None:
    texts = GENERATED["texts"]()
    for name, text in texts.items():
        assert (DOCS / "functions" / name).read_text(encoding="utf-8") == text, AGAIN
    pictures = {f"{name}.svg" for name in CATALOGUE}
    assert {path.name for path in (DOCS / "functions").iterdir()} == texts.keys() | pictures, AGAIN


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
