"""Worker processes of all kinds are left alone, and their parent is as it was."""

import ast
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reluctant import load
from reluctant.record.run import Run
from tests.cli.test_same import check_bit_equal
from tests.commands import Done
from tests.matrix.zygote import Zygote
from tests.workers.scripts import BEGINS, SCRIPTS

STEPS = 12
OPTIONS = ("--every", 1, "--out", "run")


class Ran(NamedTuple):
    """A run that has ended, and the folder with what its workers say of themselves."""

    done: Done
    folder: Path

    @property
    def said(self) -> list[dict[str, Any]]:
        texts = [path.read_text() for path in sorted(self.folder.glob("said-*"))]
        return [ast.literal_eval(text) for text in texts]


Ways = Callable[[str, bool], Ran]


@pytest.fixture(scope="module")
def ran(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """Runs a script, plainly or watched; each way once."""

    @cache
    def run(name: str, watched: bool) -> Ran:
        folder = tmp_path_factory.mktemp("workers")
        (folder / "script.py").write_text(SCRIPTS[name])
        how = ("reluctant", "run", *OPTIONS) if watched else ("python",)
        # A spawned process looks for a relative path where its forefather was started.
        done = zygote.run(*how, folder / "script.py", cwd=folder)
        assert done.code == 0, done.err
        return Ran(done, folder)

    return run


def record(ran: Ran) -> Run:
    run = load(ran.folder / "run")
    assert run.info.failure is None
    return run


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_the_same(ran: Ways, name: str) -> None:
    plain, watched = ran(name, False), ran(name, True)
    assert watched.done.out == plain.done.out
    weights = sorted(path.name for path in plain.folder.glob("*.pt"))
    assert weights
    assert weights == sorted(path.name for path in watched.folder.glob("*.pt"))
    for at in weights:
        check_bit_equal(plain.folder / at, watched.folder / at)


@pytest.mark.parametrize("name", SCRIPTS)
def test_nothing_of_ours_is_in_a_worker(ran: Ways, name: str) -> None:
    said = ran(name, True).said
    assert len(said) == len(ran(name, False).said) > 0
    for worker in said:
        assert worker == {
            "hooks": [],
            "modes": 0,
            "backward": "_tensor.py",
            "finders": [],
            "ran": [],
        }


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_record_is_the_parents_own(ran: Ways, name: str) -> None:
    run = record(ran(name, True))
    assert run.info.steps == STEPS
    assert run.steps.tolist() == list(range(STEPS))
    assert [(site.name, site.units) for site in run.sites] == [("1:relu", 16)]
    assert {layer.name: layer.shape for layer in run.layers} == {"0": (16, 8), "2": (4, 16)}
    assert set(run.series.site(0).inputs.tolist()) == {32}
    assert len(list((ran(name, True).folder / "run").glob("rank-*"))) == 1
    assert ran(name, True).done.err.count("reluctant  ") == 1


def test_what_is_left_in_a_worker_is_found_out(zygote: Zygote, tmp_path: Path) -> None:
    """An observer that does not let go when it is forked."""
    spoilt = """
from reluctant.observe.observer import Observer
Observer._abandon.__code__ = (lambda self: None).__code__
"""
    (tmp_path / "script.py").write_text(SCRIPTS["loader, forked"].replace(BEGINS, spoilt, 1))
    done = zygote.run("reluctant", "run", *OPTIONS, tmp_path / "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    said = Ran(done, tmp_path).said
    assert len(said) == 2
    for worker in said:
        assert len(worker["hooks"]) == 4
        assert worker["modes"] == 1
        assert worker["backward"] == "clock.py"
        assert worker["finders"]
        assert worker["ran"]
