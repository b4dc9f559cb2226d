"""Takes the pictures of the report that README.md and docs/report.md show.

    python docs/pictures.py

Trains examples/digits_mlp.py at a rate that kills, with and without treatment, makes their pages,
and takes parts of them in Debian's chromium (`apt-get install chromium`), which playwright drives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = Path(__file__).parent / "pictures"
SCRIPT = ("examples/digits_mlp.py", "--epochs", "10", "--optimizer", "adam", "--lr", "0.1")
WIDTH = 1180
# What is larger is saved with 256 colours.
MOST_BYTES = 280_000


def reluctant(*arguments: object) -> None:
    """Run a command of ours from the root of the repository."""
    subprocess.run(
        [sys.executable, "-m", "reluctant", *map(str, arguments)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def take(
    browser: Browser, page: Path, name: str, sections: Sequence[str], scheme: Any = "light"
) -> None:
    """A picture of a page from the first of these sections to the end of the last."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 12_000}, color_scheme=scheme, reduced_motion="reduce"
    )
    sight = context.new_page()
    sight.goto(page.as_uri())
    sight.wait_for_selector("html[data-ready]", state="attached")
    drawn = (
        "[...document.querySelectorAll('.plot')].every((at) => !at.checkVisibility() || at.data)"
    )
    sight.wait_for_function(drawn)
    boxes = [sight.locator(at).first.bounding_box() for at in (sections[0], sections[-1])]
    first, last = (box for box in boxes if box is not None)
    path = PICTURES / name
    top, bottom = first["y"] - 12, last["y"] + last["height"] + 12
    clip: Any = {"x": 0, "y": top, "width": WIDTH, "height": bottom - top}
    sight.screenshot(path=path, clip=clip)
    context.close()
    with Image.open(path) as picture:
        picture.convert("RGB").save(path, optimize=True)
        if path.stat().st_size > MOST_BYTES:
            few = picture.convert("RGB").quantize(dither=Image.Dither.NONE)
            few.save(path, optimize=True)


def main() -> None:
    """Write every picture."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        runs = Path(scratch) / "untreated", Path(scratch) / "treated"
        # As closely as healing looks.
        reluctant("run", "--out", runs[0], "--quiet", "--budget", "0.05", *SCRIPT)
        reluctant("run", "--heal", "--out", runs[1], "--quiet", *SCRIPT)
        one, both = Path(scratch) / "one.html", Path(scratch) / "both.html"
        reluctant("report", runs[0], "--out", one)
        reluctant("report", *runs, "--out", both)
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        take(browser, one, "report.png", ("header", ".finding"))
        take(browser, one, "units.png", ("#units", "#units"))
        take(browser, both, "treated.png", ("#units .runs", "#units .runs .map:nth-child(3)"))
        take(browser, one, "depth.png", ("#depth", "#functions"), "dark")
        browser.close()


if __name__ == "__main__":
    main()
