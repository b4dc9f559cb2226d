"""`reluctant functions`: the catalogue, for people and for programs."""

import json
from pathlib import Path

from click.testing import CliRunner
from tests.commands import reluctant

from reluctant.activations import CATALOGUE
from reluctant.cli import main


def test_the_table_has_every_function() -> None:
    done = CliRunner().invoke(main, ["functions"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.output.splitlines() if line[:1].isalpha()][1:] == list(
        CATALOGUE
    )


def test_every_function_has_a_page_with_its_curve() -> None:
    for name, activation in CATALOGUE.items():
        done = CliRunner().invoke(main, ["functions", name])
        assert done.exit_code == 0, done.output
        assert activation.reference.split(",")[0] in " ".join(done.output.split())
        assert done.output.count("●") > 20, name
        assert max(map(len, done.output.splitlines())) <= 100


def test_the_document_is_strict_json() -> None:
    done = CliRunner().invoke(main, ["functions", "ReLU", "--format", "json"])
    found = json.loads(done.output, parse_constant=lambda name: 1 / 0)
    assert found["name"] == "relu"
    assert found["flat"] == [[None, 0.0]]
    assert round(found["forward_gain"], 6) == 1.414214
    everything = CliRunner().invoke(main, ["functions", "--format", "json"])
    assert [at["name"] for at in json.loads(everything.output)] == list(CATALOGUE)


def test_an_unknown_function_gets_the_nearest_ones(tmp_path: Path) -> None:
    done = reluctant("functions", "leakyrelu", cwd=tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "no activation function 'leakyrelu'" in done.err
    assert "leaky_relu" in done.err
