"""Healing compiles nothing again: weights change in place, and passes of ours run uncompiled."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.healing.compiled import SCRIPTS
from tests.matrix.zygote import Zygote

from reluctant import load

EVERY = 4


class Ran(NamedTuple):
    """What the compiler counted, and how many of its graphs ran in each step."""

    graphs: dict[str, Any]
    ran: list[int]
    folder: Path


@pytest.fixture(scope="module")
def ran(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Ran]:
    """Runs a script; each way once."""

    @cache
    def run(name: str, *options: str) -> Ran:
        folder = tmp_path_factory.mktemp("compiled")
        (folder / "script.py").write_text(SCRIPTS[name])
        command = ("reluctant", "run", "--every", EVERY, "--quiet", *options, "--out", "run")
        done = zygote.run(*command, "script.py", cwd=folder)
        assert (done.code, "reluctant: " in done.err) == (0, False), done.err
        graphs, steps = (json.loads((folder / at).read_text()) for at in ("graphs", "ran"))
        return Ran(graphs, steps, folder)

    return run


@pytest.mark.parametrize("remedy", ["rescale", "revive"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_remedy_compiles_nothing(ran: Callable[..., Ran], name: str, remedy: str) -> None:
    watched, healed = ran(name), ran(name, f"--heal={remedy}")
    assert healed.graphs["stats"] == watched.graphs["stats"]
    assert healed.graphs["recompiles"] == watched.graphs["recompiles"] == {}
    run = load(healed.folder / "run")
    assert run.info.failure is None
    first = run.interventions[0]
    assert (first.remedy, first.kept) == (remedy, True)
    # But for steps that are looked at, and the passes of remedies, all runs compiled.
    eager = [step for step, graphs in enumerate(healed.ran) if not graphs and step % EVERY]
    assert 0 < len(eager) <= len(run.interventions)
    assert len(set(healed.ran)) == 2
