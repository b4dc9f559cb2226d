"""`reluctant functions`: the catalogue, for people and for programs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.commands import reluctant

from reluctant.activations import CATALOGUE, SHAPED
from reluctant.cli import commands


def test_the_table_has_every_function() -> None:
    done = CliRunner().invoke(commands, ["functions"])
    assert done.exit_code == 0
    starts = [line.split()[0] for line in done.output.splitlines() if line[:1].isalpha()]
    assert [name for name in starts if name in CATALOGUE | SHAPED] == [*CATALOGUE, *SHAPED]


def test_every_function_has_a_page_with_its_curve() -> None:
    for name, activation in CATALOGUE.items():
        done = CliRunner().invoke(commands, ["functions", name])
        assert done.exit_code == 0, done.output
        assert activation.reference.split(",")[0] in " ".join(done.output.split())
        assert done.output.count("●") > 20, name
        assert max(map(len, done.output.splitlines())) <= 100


def test_the_document_is_strict_json() -> None:
    done = CliRunner().invoke(commands, ["functions", "ReLU", "--format", "json"])
    found = json.loads(done.output, parse_constant=lambda name: 1 / 0)
    assert found["name"] == "relu"
    assert found["flat"] == [[None, 0.0]]
    assert round(found["forward_gain"], 6) == 1.414214
    everything = CliRunner().invoke(commands, ["functions", "--format", "json"])
    assert [at["name"] for at in json.loads(everything.output)] == [*CATALOGUE, *SHAPED]


def test_functions_of_another_shape_have_a_page_without_a_curve() -> None:
    for name, shaped in SHAPED.items():
        done = CliRunner().invoke(commands, ["functions", name])
        assert done.exit_code == 0, done.output
        assert shaped.module in done.output
        assert "●" not in done.output


def test_bytes_kept_are_measured() -> None:
    done = CliRunner().invoke(commands, ["functions", "silu", "--format", "json"])
    assert json.loads(done.output)["kept_bytes"] == {"default": 8, "lean": 8, "bit": 4.125}


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_function_is_drawn(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"curve.{ending}"
    done = CliRunner().invoke(commands, ["functions", "mish", "--plot", str(path)])
    assert done.exit_code == 0, done.output
    assert path.stat().st_size > 5000


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    for name, path, word in (
        ("mish", tmp_path / "curve.xyz", "xyz"),
        ("mish", tmp_path / "missing" / "curve.svg", "missing"),
        ("maxout", tmp_path / "curve.svg", "no curve"),
    ):
        done = CliRunner().invoke(commands, ["functions", name, "--plot", str(path)])
        assert done.exit_code == 2
        assert word in done.output


def test_an_unknown_function_gets_the_nearest_ones(tmp_path: Path) -> None:
    done = reluctant("functions", "leakyrelu", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "no activation function 'leakyrelu'" in done.err
    assert "leaky_relu" in done.err
