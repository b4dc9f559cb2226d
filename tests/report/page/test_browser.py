"""The page in a real browser: what it draws, what it answers, and what it leaves alone."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.report.page import comparisons, subjects
from tests.report.page.subjects import DIES_AT, DYING_UNITS, HOSTILE

from reluctant.report.page.compose import render
from reluctant.report.page.server import server

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt-get install chromium"
)
BUILD = Path(__file__).parents[3] / "build" / "pages"
PAGES = (*subjects.ALL, *comparisons.ALL)
SHAPES = {"wide": (1280, 900), "phone": (400, 800)}

UNDRAWN = """[...document.querySelectorAll("[data-figure]")]
  .filter((at) => at.checkVisibility() && !at.data)"""
# Scrolls through the page, so that every figure is drawn, and waits for none of them for ever.
SCROLL = """async () => {
  for (let y = 0; y < document.body.scrollHeight; y += 600) {
    scrollTo({ top: y, behavior: "instant" });
    await new Promise((done) => {
      requestAnimationFrame(() => setTimeout(done, 20));
      setTimeout(done, 2000);
    });
  }
  scrollTo({ top: 0, behavior: "instant" });
  return true;
}"""


@dataclass
class Sight:
    """A page in the browser, and all that it complained of or asked the network for."""

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def check_quiet(self) -> None:
        assert not self.complaints
        assert not self.requests


Look = Callable[..., Sight]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root chromium has no sandbox, and what stands in for a graphics card may not answer.
        found = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A page of these runs, or of a comparison, made once."""
    folder = tmp_path_factory.mktemp("pages")

    def file(*names: str) -> Path:
        path = folder / f"{'-'.join(names)}.html"
        if not path.exists():
            path.write_text(made(*names), encoding="utf-8")
        return path

    return file


def made(*names: str) -> str:
    if names[0] in (*comparisons.ALL, *comparisons.HOSTILES):
        return comparisons.page(names[0])
    return render([getattr(subjects, name)() for name in names])


@contextmanager
def opened(
    browser: Any, address: str, shape: str = "wide", scheme: str = "light"
) -> Iterator[Sight]:
    """The page at this address, ready."""
    width, height = SHAPES[shape]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme,
        has_touch=shape == "phone", reduced_motion="reduce",
    )  # fmt: skip
    sight = Sight(context.new_page())
    page = sight.page
    page.set_default_timeout(60_000)
    page.on("console", lambda said: sight.complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: sight.complaints.append(str(error)))
    page.on("dialog", lambda dialog: sight.complaints.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: sight.requests.append(request.url))
    page.goto(address)
    page.wait_for_selector("html[data-ready]", state="attached")
    # Unlike `evaluate`, this does not wait for ever.
    page.wait_for_function(SCROLL)
    page.wait_for_function(f"{UNDRAWN}.length === 0")
    sight.requests = [at for at in sight.requests if at != address]
    yield sight
    context.close()


@pytest.fixture
def look(browser: Any, files: Callable[..., Path]) -> Iterator[Look]:
    with ExitStack() as stack:
        yield lambda *names, **how: stack.enter_context(
            opened(browser, files(*names).as_uri(), **how)
        )


@pytest.fixture(scope="module")
def dying(browser: Any, files: Callable[..., Path]) -> Iterator[Sight]:
    """One page for all tests that leave each other's figures alone."""
    with opened(browser, files("dying").as_uri()) as sight:
        yield sight


# -- every page -------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=product(PAGES, SHAPES), ids="-".join)
def seen(
    request: pytest.FixtureRequest, browser: Any, files: Callable[..., Path]
) -> Iterator[tuple[str, str, Sight]]:
    """Each of the pages on each of the screens, the narrow one dark."""
    name, shape = request.param
    scheme = "dark" if shape == "phone" else "light"
    with opened(browser, files(name).as_uri(), shape, scheme) as sight:
        yield name, shape, sight


def test_a_page_fits_the_screen_and_asks_for_nothing(seen: tuple[str, str, Sight]) -> None:
    name, shape, sight = seen
    figures = sight.page.locator("[data-figure][data-drawn]").count()
    assert (figures == 0) == (name == "empty")
    assert sight.page.evaluate("document.documentElement.scrollWidth") == SHAPES[shape][0]
    BUILD.mkdir(parents=True, exist_ok=True)
    sight.page.screenshot(path=BUILD / f"{name}-{shape}.png", full_page=True)
    sight.check_quiet()


def test_axe_finds_nothing_serious(seen: tuple[str, str, Sight]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    _, _, sight = seen
    violations = Axe().run(sight.page).response["violations"]
    told = [(at["id"], at["impact"], at["nodes"][0]["html"][:200]) for at in violations]
    assert not [at for at in told if at[1] in ("serious", "critical")]


def test_two_runs_lie_side_by_side(look: Look) -> None:
    sight = look("dying", "healed")
    left, right = (sight.page.locator(f"#run{at}-loss").bounding_box() for at in (0, 1))
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    ranges = [sight.page.evaluate(f"document.getElementById('run{at}-loss').layout.yaxis.range")
              for at in (0, 1)]  # fmt: skip
    assert ranges[0] == ranges[1]
    sight.page.screenshot(path=BUILD / "both-wide-light.png", full_page=True)
    sight.check_quiet()


# -- the unit map -----------------------------------------------------------------------------


def hover(sight: Sight, key: str, row: int, column: int, wanted: str) -> str:
    """What is said where the pointer is on a cell of a map, once it is about what is wanted."""
    plot = sight.page.locator(f"#{key}")
    plot.scroll_into_view_if_needed()
    x, y = sight.page.evaluate(
        """([key, row, column]) => {
          const { xaxis, yaxis } = document.getElementById(key)._fullLayout;
          return [xaxis._offset + xaxis.l2p(column), yaxis._offset + yaxis.l2p(row)];
        }""",
        [key, row, column],
    )
    box = plot.bounding_box()
    sight.page.mouse.move(box["x"] + x - 2, box["y"] + y)
    sight.page.mouse.move(box["x"] + x, box["y"] + y)
    said = f"document.querySelector('#{key} .hoverlayer').textContent"
    sight.page.wait_for_function(f"{said}.includes({wanted!r})")
    return str(sight.page.evaluate(said))


def test_the_dead_are_where_the_record_says(dying: Sight) -> None:
    key = f"run0-units-{subjects.DYING_LAYER}"
    map_ = f"document.getElementById('{key}')"
    z = dying.page.evaluate(f"{map_}.data[0].z")
    texts = dying.page.evaluate(f"{map_}.data[0].text")
    dead = {text[0].split("<br>")[0] for row, text in zip(z, texts, strict=True) if row[-1] is None}
    assert dead == {f"unit {unit}" for unit in DYING_UNITS}
    for row in z:
        assert [value is None for value in row] in (
            [False] * 20,
            [False] * DIES_AT + [True] * (20 - DIES_AT),
        )
    # They are hatched, too: the last trace has a pattern.
    assert dying.page.evaluate(f"{map_}.data.at(-1).fillpattern.shape") == "/"
    assert dying.page.evaluate(f"document.querySelectorAll('#{key} pattern').length") == 1


def test_hovering_tells_unit_step_rate_and_margin(dying: Sight) -> None:
    key = f"run0-units-{subjects.DYING_LAYER}"
    told = hover(dying, key, 0, 2, "step 20")
    assert "unit 19" in told
    assert "fires on 90 %" in told
    told = hover(dying, key, 19, DIES_AT + 2, "step 80")
    assert "dead since step 60" in told
    assert "margin −2.0 standard deviations" in told
    dying.check_quiet()


def test_a_healed_map_shows_the_dead_before_the_remedy_and_the_living_after(look: Look) -> None:
    sight = look("healed")
    map_ = "document.getElementById('run0-units-1')"
    z = sight.page.evaluate(f"{map_}.data[0].z")
    gone = [row for row in z if None in row]
    assert len(gone) == len(DYING_UNITS)
    before = range(DIES_AT, subjects.HEALED_AT)
    assert all(
        [at for at, value in enumerate(row) if value is None] == list(before) for row in gone
    )
    marks = sight.page.evaluate(f"{map_}.layout.annotations.map((at) => at.text)")
    assert "revive" in marks
    sight.check_quiet()


def test_arrow_keys_move_through_a_map_and_are_told(dying: Sight) -> None:
    plot = dying.page.locator("#run0-units-1")
    plot.scroll_into_view_if_needed()
    plot.focus()
    for _ in range(3):
        dying.page.keyboard.press("ArrowRight")
    dying.page.keyboard.press("ArrowDown")
    dying.page.wait_for_function("document.getElementById('said').textContent.includes('step 20')")
    assert "unit 18" in dying.page.locator("#said").inner_text()
    dying.check_quiet()


# -- what can be moved ------------------------------------------------------------------------


def test_the_slider_moves_what_is_drawn(dying: Sight) -> None:
    mean = "document.getElementById('run0-activations').data.at(-1).y"
    after = dying.page.evaluate(mean)
    assert after[1] == pytest.approx(-3.5, abs=0.01)  # 14 of 20 units at -5
    slider = dying.page.locator("#run0-step")
    slider.focus()
    dying.page.keyboard.press("Home")
    assert dying.page.locator("output[for=run0-step]").inner_text() == "step 0"
    assert dying.page.evaluate(mean)[1] == pytest.approx(0, abs=0.01)
    dying.check_quiet()


def test_a_list_chooses_the_layer_whose_inputs_are_shown(dying: Sight) -> None:
    shares = "document.getElementById('run0-function-0').data[0].customdata"
    words = dying.page.locator("output[for=run0-function-0-layer]")
    everywhere = dying.page.evaluate(shares)
    assert words.inner_text().startswith("At the end 62 % of its inputs lay where relu is flat")
    dying.page.locator("#run0-function-0-layer").select_option("layer layer1")
    there = dying.page.evaluate(shares)
    # Units at -5: the bars far to the left grow.
    assert sum(there[:15]) > 2 * sum(everywhere[:15]) > 0
    assert words.inner_text().startswith("At the end 85 % of its inputs")
    assert sum(there) == pytest.approx(100 - 11, abs=1)
    assert "11 % lay beyond the ends of the picture" in words.inner_text()
    assert hover(dying, "run0-function-0", 0, -5, "−5") == "−5.25 to −5: 7.1 % at the end"


def test_the_table_is_sorted_at_a_click_or_a_key(dying: Sight) -> None:
    names = "[...document.querySelectorAll('.sortable tbody th')].map((at) => at.textContent)"
    assert dying.page.evaluate(names) == ["layer0", "layer1", "layer2", "out"]
    dying.page.get_by_role("button", name="dead").click()
    assert dying.page.evaluate(names)[0] == "layer1"
    assert dying.page.locator("th[aria-sort=descending]").inner_text().strip().startswith("dead")
    dying.page.get_by_role("button", name="layer", exact=True).focus()
    dying.page.keyboard.press("Enter")
    assert dying.page.evaluate(names) == ["out", "layer2", "layer1", "layer0"]


def test_the_colours_follow_the_reader(dying: Sight) -> None:
    colour = "document.getElementById('run0-loss').data[0].line.color"
    light = dying.page.evaluate(colour)
    dying.page.emulate_media(color_scheme="dark")
    dying.page.wait_for_function(f"{colour} !== '{light}'")


def test_a_printed_page_has_every_figure(dying: Sight) -> None:
    dying.page.emulate_media(color_scheme="dark")
    dying.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert dying.page.evaluate(f"{UNDRAWN}.length") == 0
    ink = "getComputedStyle(document.documentElement).getPropertyValue('--paper').trim()"
    assert dying.page.evaluate(ink) == "#ffffff"
    dying.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert dying.page.evaluate(ink) == "#111418"


# -- what must not happen ---------------------------------------------------------------------


def test_hostile_names_are_text(look: Look) -> None:
    sight = look("hostile")
    assert sight.page.locator("img, main b:text-is('bold'), svg b").count() == 0
    assert HOSTILE in sight.page.locator("h1").inner_text().replace("'\"'\"'", "'")
    told = hover(sight, "run0-silence", 0, 3, "step 30")
    assert HOSTILE in told
    sight.check_quiet()


@pytest.mark.parametrize("name", comparisons.HOSTILES)
def test_hostile_names_in_a_comparison_are_text(look: Look, name: str) -> None:
    sight = look(name)
    assert sight.page.locator("img, svg b, h1 b").count() == 0
    assert HOSTILE in sight.page.locator("tbody").inner_text()
    plot = sight.page.locator("#differences-plot")
    plot.focus()
    sight.page.keyboard.press("ArrowRight")
    told = "document.getElementById('said').textContent"
    sight.page.wait_for_function(f"{told}.includes('<img src=x')")
    sight.check_quiet()


def test_keys_go_from_function_to_function(look: Look) -> None:
    sight = look("contest")
    plot = sight.page.locator("#differences-plot")
    plot.focus()
    for name in ("prelu: 0.03, 0.01 to 0.06, better", "silu: 0.0056"):
        sight.page.keyboard.press("ArrowRight")
        told = "document.getElementById('said').textContent"
        sight.page.wait_for_function(f"{told}.includes({name!r})")
    sight.check_quiet()


def test_the_table_of_functions_is_sorted_by_their_numbers(look: Look) -> None:
    sight = look("contest")
    names = "[...document.querySelectorAll('.sortable tbody th')].map((at) => at.textContent)"
    assert sight.page.evaluate(names) == ["baseline", "prelu", "silu", "tanh"]
    sight.page.get_by_role("button", name="effect size").click()
    assert sight.page.evaluate(names) == ["prelu", "silu", "tanh", "baseline"]
    sight.page.get_by_role("button", name="a step").click()
    assert sight.page.evaluate(names)[0] == "prelu"


def test_a_page_without_its_script_tells_in_words(browser: Any, files: Callable[..., Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(files("dying").as_uri())
    said = page.locator("#run0-units-1").get_attribute("aria-label")
    assert "14 units dead at the end" in said
    assert "need JavaScript" in page.inner_text("body")
    context.close()


# -- live -------------------------------------------------------------------------------------


def test_a_live_page_follows_the_record(browser: Any, tmp_path: Path) -> None:
    record = tmp_path / "run"
    record.mkdir()
    (record / "run.json").write_text("1")
    shown = {"1": subjects.healthy, "2": subjects.dying}

    def make(paths: Any, state: str) -> str:
        return render([shown[(record / "run.json").read_text()]()], state)

    with server([record], make, 0) as serving, ExitStack() as stack:
        Thread(target=serving.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{serving.server_port}/"
        sight = stack.enter_context(opened(browser, address))
        assert "healthy" in sight.page.locator("h1").inner_text()
        slider = sight.page.locator("#run0-step")
        slider.fill("4")
        (record / "run.json").write_text("2")
        sight.page.wait_for_function("document.querySelector('h1').textContent.includes('error')")
        sight.page.wait_for_function("document.querySelector('#run0-step').value === '4'")
        assert sight.page.locator("output[for=run0-step]").inner_text() == "step 40"
        assert not sight.complaints
        serving.shutdown()
