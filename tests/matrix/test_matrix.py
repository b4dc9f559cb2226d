"""Every script of the matrix: the same with and without observation, and what is seen of it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from reluctant import load
from reluctant.record.run import Run
from tests.cli.test_same import check_bit_equal
from tests.commands import Done
from tests.matrix.scripts import SCRIPTS
from tests.matrix.zygote import Zygote

OPTIONS: dict[str, tuple[object, ...]] = {
    "by budget": (),
    "at every step": ("--every", 1),
    "parameters alone": ("--observe", "parameters"),
}


class Ran(NamedTuple):
    """A finished run: what it printed, and the folder with its weights and its record."""

    done: Done
    folder: Path


@pytest.fixture(scope="module")
def ran(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Ran]:
    """Runs a script of the matrix, plainly or watched; each way once."""

    @cache
    def run(name: str, how: str) -> Ran:
        folder = tmp_path_factory.mktemp("script")
        (folder / "script.py").write_text(SCRIPTS[name].source)
        if how == "plainly":
            done = zygote.run("python", "script.py", cwd=folder)
        else:
            options = OPTIONS[how]
            done = zygote.run("reluctant", "run", *options, "--out", "run", "script.py", cwd=folder)
        assert done.code == 0, done.err
        return Ran(done, folder)

    return run


def record(ran: Ran) -> Run:
    run = load(ran.folder / "run")
    assert run.info.failure is None
    return run


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_the_same(ran: Callable[[str, str], Ran], name: str, how: str) -> None:
    plain, watched = ran(name, "plainly"), ran(name, how)
    assert watched.done.out == plain.done.out
    assert "observed" in watched.done.err
    check_bit_equal(plain.folder / "weights.pt", watched.folder / "weights.pt")


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_seen(ran: Callable[[str, str], Ran], name: str) -> None:
    script, run = SCRIPTS[name], record(ran(name, "at every step"))
    found = {
        site.name: None if site.layer is None else run.layers[site.layer].name for site in run.sites
    }
    assert found == script.sites
    assert run.info.steps == script.steps
    if script.inputs is not None:
        for site in run.sites:
            assert set(run.series.site(site.index).inputs.tolist()) == {script.inputs}


@pytest.mark.parametrize("name", SCRIPTS)
def test_parameters_alone(ran: Callable[[str, str], Ran], name: str) -> None:
    run = record(ran(name, "parameters alone"))
    assert not run.sites
    assert len(run.layers) > 0
