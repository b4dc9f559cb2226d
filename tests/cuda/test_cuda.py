"""On a GPU: the same with and without observation, and seen; nothing of ours in a CUDA graph."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from reluctant import diagnose, load
from tests.cli.test_same import check_bit_equal
from tests.commands import Done, python, reluctant
from tests.cuda.scripts import ROUNDED, SCRIPTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

OPTIONS: dict[str, tuple[object, ...]] = {
    "by budget": (),
    "at every step": ("--every", 1),
    "healed": ("--heal",),
}


class Ran(NamedTuple):
    """A finished run: what it printed, and the folder with its weights and its record."""

    done: Done
    folder: Path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Ran]:
    """Runs a script, plainly or watched; each way once."""

    @cache
    def run(name: str, how: str) -> Ran:
        folder = tmp_path_factory.mktemp("script")
        (folder / "script.py").write_text(SCRIPTS[name].source)
        settings = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        if how == "plainly":
            done = python("script.py", cwd=folder, **settings)
        else:
            options = OPTIONS[how]
            done = reluctant("run", *options, "--out", "run", "script.py", cwd=folder, **settings)
        assert done.code == 0, done.err
        return Ran(done, folder)

    return run


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_is_the_same(ran: Callable[[str, str], Ran], name: str, how: str) -> None:
    plain, watched = ran(name, "plainly"), ran(name, how)
    assert "observed" in watched.done.err
    assert load(watched.folder / "run").info.failure is None
    if name in ROUNDED:
        one, other = (torch.load(at.folder / "weights.pt") for at in (plain, watched))
        for key, weight in one.items():
            torch.testing.assert_close(other[key], weight, rtol=1e-4, atol=1e-5)
        return
    assert watched.done.out == plain.done.out
    check_bit_equal(plain.folder / "weights.pt", watched.folder / "weights.pt")


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_is_seen(ran: Callable[[str, str], Ran], name: str) -> None:
    run = load(ran(name, "at every step").folder / "run")
    assert len(run.sites) >= 2
    assert run.info.captured == SCRIPTS[name].captured
    for site in run.sites:
        seen = run.series.site(site.index)
        assert (seen.inputs == 64).all()
        assert (seen.values > 0).all()
    told = " ".join(diagnose(run).limits)
    assert ("CUDA graph" in told) == bool(SCRIPTS[name].captured)
