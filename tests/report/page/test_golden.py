"""Pages of hand-built runs and comparisons, held against those in golden/.

A change that is meant is written down by

    RENEW_GOLDEN=1 python -m pytest tests/report/page/test_golden.py

after which `git diff tests/report/page/golden` shows what has changed, to be read line by line.
The style sheet, the script, the library and the pages of the findings are left out; the numbers of
each figure are told by their least, mean and most.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.report.page import comparisons, subjects
from tests.report.page.reading import decoded, figures, unpacked

from reluctant import __version__
from reluctant.report.page import compose, template
from reluctant.report.page.compose import render

GOLDEN = Path(__file__).parent / "golden"
RENEW = bool(os.environ.get("RENEW_GOLDEN"))
PAGES = {name: (name,) for name in ("healthy", "dying", "healed", "empty", "hostile")}
PAGES["both"] = ("dying", "healed")


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "javascript", lambda: "library")
    monkeypatch.setattr(compose.manual, "entry", lambda slug, among: f"<p>The page {slug}.</p>")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_it_was(name: str) -> None:
    page = render([getattr(subjects, run)() for run in PAGES[name]])
    check_golden(f"{name}.html", _bare(page))
    check_golden(f"{name}.json", _told(page))


@pytest.mark.parametrize("name", ["contest", "few", "discovery", *comparisons.HOSTILES])
def test_a_comparison_is_as_it_was(name: str) -> None:
    page = comparisons.page(name)
    check_golden(f"{name}.html", _bare(page))
    check_golden(f"{name}.json", _told(page))


def check_golden(name: str, text: str) -> None:
    path = GOLDEN / name
    if RENEW:
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "read the docstring if this was meant"


def _bare(page: str) -> str:
    """The page without what lies beside it in files of their own, and without empty lines."""
    page = re.sub(r"<style>.*?</style>", "<style></style>", page, flags=re.DOTALL)
    page = re.sub(r"(<script[^>]*>).*?</script>", r"\1</script>", page, flags=re.DOTALL)
    page = page.replace(__version__, "VERSION")
    return "\n".join(line.rstrip() for line in page.splitlines() if line.strip()) + "\n"


def _told(page: str) -> str:
    """The figures, one a line, their floats to five digits."""
    block = unpacked(page, "numbers")
    lines = [f"{json.dumps(key)}: {json.dumps(_short_form(at, block), ensure_ascii=False)}"
             for key, at in figures(page).items()]  # fmt: skip
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _short_form(at: Any, block: bytes) -> Any:
    if isinstance(at, dict) and "numbers" in at:
        values = decoded(at, block)
        known = values[~np.isnan(values)]
        ends = [known.min(), known.mean(), known.max()] if known.size else []
        return {
            "shape": at["numbers"]["shape"],
            "gaps": int(np.isnan(values).sum()),
            "least, mean, most": [float(f"{end:.4g}") for end in ends],
        }
    if isinstance(at, dict):
        return {key: _short_form(each, block) for key, each in at.items()}
    if isinstance(at, list):
        return [_short_form(each, block) for each in at]
    return float(f"{at:.5g}") if isinstance(at, float) else at
