"""Compiled models are observed uncompiled, and are not compiled again."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from reluctant import load
from tests.cli.test_same import check_bit_equal
from tests.commands import Done
from tests.matrix.compiled import SCRIPTS
from tests.matrix.zygote import Zygote

OPTIONS: dict[str, tuple[object, ...]] = {
    "sampled": ("--every", 5),
    "parameters alone": ("--every", 1, "--observe", "parameters"),
}


class Ran(NamedTuple):
    done: Done
    folder: Path

    @property
    def graphs(self) -> dict[str, Any]:
        return json.loads((self.folder / "graphs").read_text())  # type: ignore[no-any-return]

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return torch.load(self.folder / "weights.pt")  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def ran(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Ran]:
    """Runs a script, plainly or watched; each way once."""

    @cache
    def run(name: str, how: str) -> Ran:
        folder = tmp_path_factory.mktemp("compiled")
        (folder / "script.py").write_text(SCRIPTS[name])
        if how == "plainly":
            done = zygote.run("python", "script.py", cwd=folder)
        else:
            options = OPTIONS[how]
            done = zygote.run("reluctant", "run", *options, "--out", "run", "script.py", cwd=folder)
        assert done.code == 0, done.err
        return Ran(done, folder)

    return run


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_else_is_compiled(ran: Callable[[str, str], Ran], name: str, how: str) -> None:
    plain, watched = ran(name, "plainly"), ran(name, how)
    assert plain.graphs["stats"]["unique_graphs"] > 0
    assert watched.graphs["stats"] == plain.graphs["stats"]
    assert watched.graphs["recompiles"] == plain.graphs["recompiles"]
    assert watched.done.out == plain.done.out


@pytest.mark.parametrize("name", SCRIPTS)
def test_looking_at_parameters_changes_no_bit(ran: Callable[[str, str], Ran], name: str) -> None:
    plain, watched = ran(name, "plainly"), ran(name, "parameters alone")
    check_bit_equal(plain.folder / "weights.pt", watched.folder / "weights.pt")


@pytest.mark.parametrize("name", SCRIPTS)
def test_looking_at_activations_changes_no_more_than_rounding(
    ran: Callable[[str, str], Ran], name: str
) -> None:
    plain, watched = ran(name, "plainly"), ran(name, "sampled")
    for key, weight in plain.weights.items():
        torch.testing.assert_close(watched.weights[key], weight, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_compiled_is_seen(ran: Callable[[str, str], Ran], name: str) -> None:
    run = load(ran(name, "sampled").folder / "run")
    assert run.info.failure is None
    assert [sample.step for sample in run.samples] == [0, 5, 10]
    assert len(run.sites) == len([site for site in run.sites if site.layer is not None]) > 0
    for site in run.sites:
        assert len(run.series.site(site.index).samples) == 3
