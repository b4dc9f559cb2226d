"""A rank that dies leaves its part, and those of the others, as they were."""

import signal
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from reluctant import load
from reluctant.record import schema
from tests.ranks.conftest import Runs
from tests.ranks.scripts import SCRIPTS
from tests.ranks.test_ranks import CLOSE
from tests.ranks.test_schedule import steps_of
from tests.ranks.twin import Twin


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
@pytest.mark.parametrize("dies", [0, 1])
def test_a_rank_that_is_killed(runs: Runs, tmp_path: Path, name: str, dies: int) -> None:
    """It dies after step 7, of which it has not yet written what it saw; the other fails in 8."""
    ran = runs(SCRIPTS[name], "--every", 1, arguments=("dies", dies))
    lives = 1 - dies
    assert ran.ranks[dies].code == -signal.SIGKILL, ran.ranks[dies].err
    assert ran.ranks[lives].code == 1, "the script's own end, when the other is gone"
    assert "Traceback" in ran.ranks[lives].err
    steps = {rank: steps_of(ran.folder / "run", rank, tmp_path / str(rank)) for rank in (0, 1)}
    assert steps[dies] == list(range(7))
    assert steps[lives] == list(range(8))
    run = ran.run
    assert run.steps.tolist() == list(range(8))
    assert run.info.failure is None
    assert run.info.exit_code == (1 if dies else None)
    # What is known of step 7 is what one rank saw of it.
    for site in run.sites:
        assert run.series.site(site.index).inputs.tolist() == [40] * 7 + [24 if dies else 16]
    twin = Twin(2)
    for layer in run.layers:
        gradient = run.series.layer(layer.index).gradient
        expected = np.linalg.norm(twin.gradients[6][f"{layer.name}.weight"], axis=1)
        np.testing.assert_allclose(gradient[6], expected, **CLOSE)


def test_a_rank_that_dies_before_it_has_seen_anything(runs: Runs) -> None:
    """Its file has no tables yet."""
    ran = runs(SCRIPTS["ddp"], "--every", 1)
    part = ran.folder / "run" / schema.part(1)
    part.unlink()
    connection = sqlite3.connect(part)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert part.stat().st_size > 0
    run = ran.run
    assert [layer.name for layer in run.layers] == ["0", "2", "4", "6"]
    assert set(run.series.site(0).inputs.tolist()) == {24}


FAILS = """
if any(name.startswith("reluctant") for name in sys.modules):
    from reluctant.observe.probes import Shelf
    def fails(*arguments): raise ZeroDivisionError("ours")
    if rank == 1: Shelf.activity = fails
"""


def test_an_error_of_ours_in_another_rank_is_told(runs: Runs) -> None:
    script = SCRIPTS["ddp"].replace("model = net()", FAILS + "model = net()")
    ran = runs(script, "--every", 1)
    assert [done.code for done in ran.ranks] == [0, 0], ran.ranks[1].err
    failure = load(ran.folder / "run").info.failure
    assert str(failure).startswith("rank-1: ZeroDivisionError: ours (")
    assert ran.run.steps.tolist() == list(range(12))
