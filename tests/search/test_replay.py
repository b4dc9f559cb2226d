"""The benchmark's own arithmetic, on a table that is made up."""

from pathlib import Path
from random import Random

import pytest

pytest.importorskip("sklearn")
pytest.importorskip("optuna")
from benchmarks.search import table
from benchmarks.search.replay import SEARCHES, evaluations, replay
from benchmarks.search.table import Key, Table
from benchmarks.search.tasks import TASKS

from reluctant.search import gate, shape
from reluctant.search.prior import KNOWN, Prior


@pytest.fixture(scope="module")
def made() -> Table:
    """A task in which a function is the better the more it bends; the seeds differ a little."""
    chance = Random(0)
    rows = []
    for function in chance.sample(gate.passed(), 300):
        worth = shape.features([function])[0].mean()
        for seed in table.SEEDS:
            value = 50 + 100 * float(worth) + chance.gauss(0, 0.1)
            rows.append((Key("made", str(function), seed), (value, 1.0)))
    return Table.of(rows)


def test_the_best_are_those_of_the_highest_means(made: Table) -> None:
    best = made.best("made")
    assert len(best) == 3
    means = made.means["made"]
    assert min(means[at] for at in best) >= max(means[at] for at in means.keys() - best)


@pytest.mark.parametrize("name", list(SEARCHES))
def test_a_search_finds_one_of_the_best(name: str, made: Table) -> None:
    taken = evaluations(made, "made", SEARCHES[name], 0)
    assert 1 <= taken <= 300
    assert taken == evaluations(made, "made", SEARCHES[name], 0)


def test_ours_is_told_beside_chance(made: Table) -> None:
    said = list(replay(made, 5, ["ours", "random"]))
    assert said[0] == "made: 300 functions, 3 of them are the best 1 %"
    medians = [float(line.split("median")[1].split()[0]) for line in said[1:]]
    assert medians[0] < medians[1]


def test_a_network_that_is_lost_counts_as_nothing() -> None:
    rows = [
        (Key("made", "relu(z)", 0), (90.0, 0.3)),
        (Key("made", "square(z)", 0), (95.0, float("nan"))),
    ]
    assert Table.of(rows).best("made") == {next(iter(Table.of(rows).accuracies["made"]))}


def test_what_is_there_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[Key] = []

    def evaluate(keys: list[Key]) -> list[tuple[object, ...]]:
        assert len({(key.task, key.seed) for key in keys}) == 1
        if len(done) == 6 and tmp_path.joinpath("stop").exists():
            raise KeyboardInterrupt
        done.extend(keys)
        return [(*key, "90.00", "0.3") for key in keys]

    monkeypatch.setattr(table, "_evaluate", evaluate)
    tmp_path.joinpath("stop").touch()
    with pytest.raises(KeyboardInterrupt):
        table.make(tmp_path, 1, 2)
    with (tmp_path / "evaluations.csv").open("a") as file:
        file.write("digits,relu(z),2")  # cut off by a kill
    tmp_path.joinpath("stop").unlink()
    table.make(tmp_path, 1, 2)
    assert len(done) == len(set(done)) == 12
    assert "12 evaluations, 6 of them to be done" in capsys.readouterr().out
    monkeypatch.setattr(table, "RESULT", tmp_path / "table.csv.gz")
    monkeypatch.setattr(table, "KNOWN", tmp_path / "known.csv")
    table.keep(tmp_path)
    assert len((tmp_path / "known.csv").read_text().splitlines()) == 3
    kept = Table.load(tmp_path / "table.csv.gz").accuracies
    assert [len(kept[task]) for task in ("digits", "fashion")] == [2, 2]


def test_the_table_is_whole_and_what_searches_are_told_is_made_of_it() -> None:
    found = Table.load()
    assert set(found.accuracies) == set(TASKS)
    functions = table.functions()
    for results in found.accuracies.values():
        assert set(results) == set(functions)
        assert {len(values) for values in results.values()} == {len(table.SEEDS)}
    assert KNOWN.read_text(encoding="utf-8") == table.known(found)
    assert table.RESULT.stat().st_size < 5_000_000
    assert set(Prior.known().worth) == set(functions)
