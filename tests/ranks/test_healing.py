"""Processes that train one model together are healed alike, at the same steps, or not at all."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from reluctant import load
from reluctant.record import schema
from reluctant.record.run import Intervention
from tests.ranks import healed
from tests.ranks.conftest import SIZE, Ran, Runs

OPTIONS = ("--every", 1, "--quiet")


def interventions_of(ran: Ran, rank: int, scratch: Path) -> tuple[Intervention, ...]:
    """Those that one rank recorded."""
    part = scratch / str(rank)
    part.mkdir()
    for file in (ran.folder / "run" / schema.INFO, *ran.folder.glob(f"run/{schema.part(rank)}*")):
        shutil.copy(file, part)
    return load(part).interventions


def check_alike(ran: Ran, scratch: Path) -> tuple[Intervention, ...]:
    """The interventions, which are all ranks' own; weights and moments are equal bit for bit."""
    assert [done.code for done in ran.ranks] == [0] * SIZE, ran.ranks[0].err
    assert [done.err for done in ran.ranks] == [""] * SIZE
    run = ran.run
    assert run.info.failure is None
    for rank in range(SIZE):
        assert interventions_of(ran, rank, scratch) == run.interventions
    check_equal(*ended(ran))
    return run.interventions


def ended(ran: Ran) -> list[Any]:
    return [torch.load(ran.folder / f"rank-{rank}" / f"weights-{rank}.pt") for rank in range(SIZE)]


def check_equal(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def losses(ran: Ran) -> list[float]:
    return [float(done.out.split()[-1]) for done in ran.ranks]


def test_a_network_begins_anew_in_all_ranks(runs: Runs, tmp_path: Path) -> None:
    ran = runs(healed.DDP, *OPTIONS, "--heal=rescale")
    (done,) = check_alike(ran, tmp_path)
    assert (done.remedy, done.kept) == ("rescale", True)
    assert max(losses(ran)) < 0.4


def test_units_are_revived_in_all_ranks(runs: Runs, tmp_path: Path) -> None:
    ran = runs(healed.DDP, *OPTIONS, "--heal=revive", arguments=("shifted",))
    done = check_alike(ran, tmp_path)
    assert [(at.remedy, at.kept) for at in done] == [("revive", True)] * 2
    assert max(losses(ran)) < 0.4


def test_what_the_first_rank_finds_no_better_is_undone_in_all(runs: Runs, tmp_path: Path) -> None:
    ran = runs(healed.NO_USE, *OPTIONS, "--heal=rescale")
    done = check_alike(ran, tmp_path)
    assert [(at.remedy, at.kept) for at in done] == [("rescale", False)]
    assert min(losses(ran)) > 0.5


def test_an_error_of_ours_in_one_rank_ends_it_in_all(runs: Runs) -> None:
    ran = runs(healed.FAILS, *OPTIONS, "--heal=rescale")
    assert [done.code for done in ran.ranks] == [0] * SIZE
    first, second = (done.err for done in ran.ranks)
    assert first.count("reluctant: ") == first.count("do not reach one another") == 1
    assert second.count("reluctant: ") == second.count("ZeroDivisionError: ours") == 1
    assert ran.run.interventions == ()
    check_equal(*ended(ran))


@pytest.mark.parametrize(
    ("source", "arguments", "why"),
    [
        (healed.FSDP, (), "Its parameters are shared out over processes."),
        (healed.APART, ("late",), "Its processes do not train in step with one another."),
        (healed.DIFFERENT, (), "Its processes do not train the same weights."),
    ],
    ids=["fsdp", "apart", "different"],
)
def test_what_cannot_be_healed_is_told_once(
    runs: Runs, source: str, arguments: tuple[str, ...], why: str
) -> None:
    ran = runs(source, *OPTIONS, "--heal", arguments=arguments)
    assert [done.code for done in ran.ranks] == [0] * SIZE, ran.ranks[0].err
    told = f"reluctant: Healing was given up, while the training goes on: {why}\n"
    assert sum(done.err.count("reluctant: ") for done in ran.ranks) == 1
    assert ran.ranks[0].err.count(told) == 1
    assert ran.run.info.failure is None
    assert len(ran.run.samples) == 20
