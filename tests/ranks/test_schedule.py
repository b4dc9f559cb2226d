"""Ranks observe the same steps, which the first of them announces, so that none waits."""

import shutil
from pathlib import Path

import pytest

from reluctant import load
from reluctant.observe.ranks import Announced
from reluctant.record import schema
from tests.ranks.conftest import SIZE, Runs
from tests.ranks.scripts import SCRIPTS

STEPS = 250

# One rank's samples cost thirty times what the other's do, and each decides by what it sees.
UNEVEN = """
if any(name.startswith("reluctant") for name in sys.modules):
    from reluctant.observe.schedule import Schedule
    paid = Schedule.paid
    Schedule.paid = lambda self, step, seconds: paid(self, step, (0.03 if rank else 0.001))
"""
ALONE = """
if any(name.startswith("reluctant") for name in sys.modules):
    from reluctant.observe.ranks import Announced
    Announced.due = Schedule.due
"""


def steps_of(path: Path, rank: int, scratch: Path) -> list[int]:
    """The steps that one rank observed."""
    scratch.mkdir()
    for file in (path / schema.INFO, *path.glob(f"{schema.part(rank)}*")):
        shutil.copy(file, scratch)
    return load(scratch).steps.tolist()  # type: ignore[no-any-return]


@pytest.mark.parametrize("announced", [True, False])
def test_all_ranks_observe_the_same_steps(runs: Runs, tmp_path: Path, announced: bool) -> None:
    """Without the announcements, they do not."""
    begin = UNEVEN if announced else UNEVEN + ALONE
    script = SCRIPTS["ddp"].replace("model = net()", f"STEPS = {STEPS}\n{begin}model = net()")
    ran = runs(script, "--quiet")
    assert [done.code for done in ran.ranks] == [0, 0], ran.ranks[0].err
    one, other = (steps_of(ran.folder / "run", rank, tmp_path / str(rank)) for rank in range(SIZE))
    assert len(one) < STEPS / 2
    assert (one == other) == announced
    assert ran.run.steps.tolist() == sorted({*one, *other})
    assert one[:3] == [0, 1, 2]


def test_a_step_is_announced_one_step_ahead(tmp_path: Path) -> None:
    leads, follows = (Announced(tmp_path / "board", at, 1.0, None) for at in (True, False))
    for step in range(1, 200):
        due = leads.due(step, elapsed=1000.0)
        assert follows.due(step, elapsed=0.0) == due
        assert due or step > 64
        leads.paid(step, 1e-4)
        if step == 150:
            leads.budget = 0.0


def test_what_is_looked_at_anew_is_announced_as_closely(tmp_path: Path) -> None:
    """And with as much grace, of which the leader alone keeps account."""
    leads, follows = (Announced(tmp_path / "board", at, 0.0, None, 1.0) for at in (True, False))

    def seen(steps: range) -> list[int]:
        found = []
        for step in steps:
            if leads.due(step, elapsed=10.0):
                leads.paid(step, 0.02)
            if follows.due(step, elapsed=10.0):
                found.append(step)
        return found

    assert len(seen(range(1000, 1064))) < 32
    for at in (leads, follows):
        at.anew(1064)
    assert seen(range(1064, 1080)) == list(range(1065, 1080))


def test_nothing_is_announced_without_the_first_rank(tmp_path: Path) -> None:
    follows = Announced(tmp_path / "board", False, 1.0, None)
    assert [step for step in range(1, 200) if follows.due(step, 1000.0)] == [1]


def test_every_so_many_steps_needs_no_announcement(tmp_path: Path) -> None:
    follows = Announced(tmp_path / "board", False, 0.01, 3)
    assert [step for step in range(1, 10) if follows.due(step, 0.0)] == [3, 6, 9]
