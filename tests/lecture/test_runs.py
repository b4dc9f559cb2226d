"""What is kept of a run, what is said of it, and how it is asked for."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.commands import python, reluctant

from reluctant.cli import commands
from reluctant.errors import WrongArgument
from reluctant.lecture import claims, data, outcome, pages
from reluctant.lecture.claim import Answer, Claim, Numbers, Samples, above, measured
from reluctant.lecture.runner import Kept, Task, run


def _experiment(seed: int, data: str, high: float) -> Numbers:
    return {"score": high + seed}


def _answers(samples: Samples) -> list[Answer]:
    score = samples.mean("score")
    return [above("the score", score, 10), measured("the score again", score)]


def _draw(samples: Samples, axes: Any) -> None:
    axes.plot(samples.of("score"))


def _made(name: str, high: float) -> Claim:
    small: Mapping[str, Any] = {"data": "digits", "high": high}
    large = {"data": "digits", "high": 2 * high}
    setting = "{data}, as high as {high}."
    return Claim(name, f"It is {name}.", setting, small, large, _experiment, _answers, _draw)


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, Claim]:
    """Two claims in place of all: one that holds, and one that does not."""
    two = {name: _made(name, high) for name, high in (("true", 100.0), ("false", -100.0))}
    monkeypatch.setattr(claims, "CLAIMS", two)
    return two


def test_seeds_that_are_kept_are_not_run_again(tmp_path: Path, made: dict[str, Claim]) -> None:
    kept, told = Kept(tmp_path), list[str]()
    kept.write(Task("true", 1, True), {"score": 7.0})
    found = run([made["true"]], 3, quick=True, jobs=1, kept=kept, told=told.append)
    assert found["true"].of("score") == [100.0, 7.0, 102.0]
    assert told == ["true"] * 3
    assert kept.read(Task("true", 2, True)) == {"score": 102.0}


def test_another_size_or_a_damaged_file_is_run_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    kept.write(Task("true", 0, True), {"score": 7.0})
    assert kept.read(Task("true", 0, True)) == {"score": 7.0}
    assert kept.read(Task("true", 0, False)) is None
    (tmp_path / "kept" / "true" / "0.json").write_text("{", "utf-8")
    assert kept.read(Task("true", 0, True)) is None


def test_the_command_says_what_holds_and_keeps_page_and_figures(tmp_path: Path) -> None:
    arguments = ["lecture", "--quick", "--seeds", "3", "--jobs", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0, done.output
    said = done.stdout
    assert said.index("✔ holds  true") < said.index("✖ does not hold  false")
    assert "101 (98.5 to 103)" in said
    assert "3 seeds. scikit-learn's digits, as high as 100.0." in said
    assert "reluctant  2 of 2  false" in done.stderr
    page = (tmp_path / "lecture.md").read_text("utf-8")
    assert "| [false](#false) | It is false. | does not hold |" in page
    assert "3 seeds, at the size of `--quick`. scikit-learn's digits" in page
    assert "![true: It is true.](./true.svg)" in page
    assert (tmp_path / "true.svg").read_text("utf-8").startswith("<?xml")
    again = outcome.load(tmp_path / "numbers.json")
    assert pages.page(again, ".") == page


def test_the_document_is_strict_json(tmp_path: Path) -> None:
    arguments = ["lecture", "true", "--seeds", "1", "--jobs", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(commands, [*arguments, "--format", "json"])
    (found,) = json.loads(done.stdout, parse_constant=lambda name: 1 / 0)["claims"]
    assert found["verdict"] == "not shown"
    assert [at["verdict"] for at in found["answers"]] == ["not shown", "measured"]
    assert found["numbers"] == [{"score": 200.0}]
    assert found["answers"][0]["low"] is None


@pytest.mark.parametrize(("name", "near"), [("nonsense", ""), ("fals", "Did you mean false\\? ")])
def test_a_claim_that_is_not_there(name: str, near: str) -> None:
    with pytest.raises(WrongArgument, match=rf"no claim '{name}'\. {near}There are true, false"):
        claims.claim(name)


def test_a_claim_that_is_named_twice_is_run_once(tmp_path: Path) -> None:
    arguments = ["lecture", "true", "true", "--seeds", "2", "--jobs", "1", "--out", str(tmp_path)]
    done = CliRunner().invoke(commands, arguments)
    assert done.exit_code == 0
    assert done.stderr == "reluctant  1 of 1  true\n"
    assert done.stdout.count("holds  true") == 1


def test_data_that_are_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: dict[str, Claim]
) -> None:
    made["true"] = replace(made["true"], full={"data": "fashion", "high": 1.0})
    monkeypatch.setattr(data, "FASHION", tmp_path)
    data._fashion.cache_clear()
    done = CliRunner().invoke(commands, ["lecture", "true", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "There is no Fashion-MNIST" in done.stderr
    assert "--quick" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_experiments_run_in_processes_of_their_own(tmp_path: Path) -> None:
    arguments = ("lecture", "derivative", "--quick", "--seeds", "2", "--jobs", "2", "--out", "kept")
    done = reluctant(*arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "✔ holds  derivative" in done.out
    assert len(list((tmp_path / "kept" / "kept" / "derivative").iterdir())) == 2


@pytest.mark.slow
def test_without_matplotlib_there_are_no_figures_and_all_else(tmp_path: Path) -> None:
    without = "import sys; sys.modules['matplotlib'] = None; import reluctant.cli as at; at.main()"
    arguments = ("derivative", "--quick", "--seeds", "2", "--jobs", "1", "--out", "kept")
    done = python("-c", without, "lecture", *arguments, cwd=tmp_path)
    assert done.code == 0, done.err
    assert "✔ holds  derivative" in done.out
    assert "![" not in (tmp_path / "kept" / "lecture.md").read_text("utf-8")
    assert not list(tmp_path.rglob("*.svg"))


def test_images_are_drawn_with_the_seed() -> None:
    first, second = data.images("digits", 100, 0), data.images("digits", 100, 1)
    assert first.inputs.shape == (100, 64)
    assert first.test_inputs.shape == (1000, 64)
    assert abs(float(first.inputs.mean())) < 1e-5
    assert not first.labels.equal(second.labels)
    rows = {tuple(row) for row in first.inputs.tolist()}
    assert not rows & {tuple(row) for row in first.test_inputs.tolist()}
