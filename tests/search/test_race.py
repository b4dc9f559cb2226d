"""Who gets another run: worked out on entries that are made up."""

from math import inf

from reluctant.search.job import Entry, Job, Result, State
from reluctant.search.race import Race


def entry(
    number: int,
    function: str | None,
    value: float | None = None,
    seed: int = 0,
    state: State = "done",
    again: int | None = None,
) -> Entry:
    if value is None and state == "done":
        state = "failed"
    why = "It failed." if state == "failed" else None
    return Entry(number, Job("search", function, seed), state, Result(value, why), again)


def test_the_best_quarter_gets_more_seeds() -> None:
    entries = [entry(at, f"f{at}", value=float(at)) for at in range(7)]
    assert Race.of(entries[:3]).promoted() is None
    assert Race.of(entries).promoted() == ("f0", 1)
    entries.append(entry(7, "f0", seed=1, state="running"))
    assert Race.of(entries).promoted() == ("f0", 2)
    entries += [entry(8, "f0", seed=2, state="waiting"), entry(9, "f9", 9.0)]
    assert Race.of(entries).promoted() == ("f1", 1)


def test_a_function_that_fails_is_last_and_gets_no_more() -> None:
    entries = [entry(at, f"f{at}", value=float(at)) for at in range(4)]
    entries += [entry(4, "lost"), entry(5, "f0", seed=1)]
    race = Race.of(entries)
    assert race.standings["f0"].lost
    assert race.ranking == ("f1", "f2", "f3")
    assert race.scores == {"f1": 0.0, "f2": -1.0, "f3": -2.0, "lost": -inf, "f0": -inf}
    assert race.promoted() == ("f1", 1)


def test_more_may_be_better() -> None:
    entries = [entry(at, f"f{at}", value=float(at)) for at in range(4)]
    assert Race.of(entries, "high").ranking == ("f3", "f2", "f1", "f0")
    assert Race.of(entries, "high").promoted() == ("f3", 1)


def test_what_was_seen_with_more_seeds_stands_before_what_was_lucky_once() -> None:
    entries = [entry(at, "tried", value=0.5, seed=at) for at in range(3)]
    assert Race.of([*entries, entry(3, "lucky", 0.1)]).ranking == ("tried", "lucky")


def test_a_run_that_another_stands_in_for_does_not_count() -> None:
    lost = entry(0, "f", state="failed")
    race = Race.of([lost, entry(1, "f", 0.3, again=0)])
    assert race.ranking == ("f",)
    assert Race.of([lost, entry(1, "f", state="running", again=0)]).waiting == ("f",)


def test_other_stages_are_no_part_of_it() -> None:
    assert Race.of([Entry(0, Job("confirm", "f", 1000), "done", Result(0.1))]).ranking == ()
