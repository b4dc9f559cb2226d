"""How far a trial is, told while its runs begin and end; nothing is run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from reluctant.record.progress import Progress
from reluctant.trials.jobs import Jobs
from reluctant.trials.processes import Ending, Processes


@pytest.fixture(autouse=True)
def _made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Processes, command: list[str], output: Path) -> Ending | None:
        return None if command == ["stopped"] else Ending(int(command[0]), 3.0, 1, 0.0)

    monkeypatch.setattr(Processes, "run", run)


def shown(most: int, expected: int, *tasks: Callable[[Jobs], object]) -> list[Progress]:
    found: list[Progress] = []
    jobs = Jobs(most, lambda text: None, found.append, expected)
    for task in tasks:
        jobs.each([partial(task, jobs)])
    return found


def run(code: str, path: Path) -> Callable[[Jobs], object]:
    return lambda jobs: jobs.run(path / code, [code], f"code {code}")


def test_what_runs_and_how_many_have_ended(tmp_path: Path) -> None:
    assert shown(2, 4, run("0", tmp_path), run("1", tmp_path)) == [
        Progress(("code 0",), 0, 4, None),
        Progress((), 1, 4, 4.5),
        Progress(("code 1",), 1, 4, 4.5),
        Progress((), 2, 4, 3.0),
    ]


def test_what_need_not_be_run_is_not_expected(tmp_path: Path) -> None:
    found = shown(1, 4, run("0", tmp_path), lambda jobs: jobs.skip(2))
    assert found[-2:] == [Progress((), 1, 4, 9.0), Progress((), 1, 2, 3.0)]


def test_a_run_that_is_stopped_has_not_ended(tmp_path: Path) -> None:
    (only,) = shown(1, 4, run("stopped", tmp_path))
    assert (only.running, only.ended) == (("code stopped",), 0)
