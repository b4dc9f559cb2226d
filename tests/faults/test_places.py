"""Clocks that go back, runs that start at once, and odd places to run in."""

import json
import re
import shlex
from pathlib import Path

import pytest

from reluctant import load
from reluctant.record import folder
from tests.cli.test_same import check_bit_equal
from tests.faults.conftest import LOOP, TRAIN, Survives
from tests.matrix.zygote import Zygote

WAYS = pytest.mark.parametrize("way", ["run", "watch"])

# -- clocks ------------------------------------------------------------------------------------

# As libraries do that freeze the time for tests: in every module that holds a clock.
CLOCKS = """
import time
def fault():
    for name in ("time", "perf_counter", "monotonic"):
        old = getattr(time, name)
        for module in list(sys.modules.values()):
            for key, value in list(getattr(module, "__dict__", {{}}).items()):
                if value is old:
                    setattr(module, key, lambda now=old(): {now})
"""


@WAYS
@pytest.mark.parametrize("now", ["now", "now - 86400", "now + 86400", "0", "float('inf')"])
def test_a_clock_that_is_put_wrong(survives: Survives, way: str, now: str) -> None:
    survived = survives(CLOCKS.format(now=now), way)
    run = survived.run
    assert run.steps.tolist() == list(range(12))
    assert run.info.failure is None


def test_a_clock_that_goes_back_and_a_budget(zygote: Zygote, tmp_path: Path) -> None:
    """Time that was won back is not spent on observing every step."""
    loop = LOOP.replace("range(12)", "range(2000)")
    (tmp_path / "script.py").write_text(TRAIN + CLOCKS.format(now="now - 86400") + loop)
    done = zygote.run("reluctant", "run", "--out", "run", "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    run = load(tmp_path / "run")
    assert run.info.failure is None
    assert run.info.steps == 2000
    assert 6 < len(run.samples) < 1000


# -- starting at once --------------------------------------------------------------------------

# Each asks for the time when it makes its folder. It waits there until all have come that far, and
# is told the same second: so no machine is too slow for them to start at once.
HERD = """
import os, signal, sys
from types import SimpleNamespace
count = int(sys.argv[1])
signal.alarm(300)  # one that dies on the way would be waited for
come, ready = os.pipe()[::-1]
go, gate = os.pipe()
def now(form):
    os.write(come, b".")
    os.read(go, 1)
    return "2026-01-31T12-00-00"
children = []
for number in range(count):
    child = os.fork()
    if child == 0:
        os.close(gate)
        for target, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{name}-{number}", os.O_WRONLY | os.O_CREAT), target)
        from reluctant.cli import main
        from reluctant.record import folder
        folder.time = SimpleNamespace(strftime=now)
        sys.argv = ["reluctant", "run", "script.py", str(number)]
        main()
    children.append(child)
os.close(come)
for _ in range(count):
    os.read(ready, 1)
os.write(gate, b"." * count)
print([os.waitpid(child, 0)[1] for child in children])
"""


@pytest.mark.parametrize("count", [2, 8])
def test_runs_that_start_in_the_same_second(zygote: Zygote, tmp_path: Path, count: int) -> None:
    (tmp_path / "script.py").write_text(
        TRAIN.replace("manual_seed(0)", "manual_seed(int(sys.argv[1]))")
        + LOOP.replace("save()", "save(sys.argv[1] + '.pt')").replace("fault()", "pass")
    )
    (tmp_path / "herd.py").write_text(HERD)
    herd = zygote.run("python", "herd.py", count, cwd=tmp_path)
    assert herd.out == f"{[0] * count}\n", herd.err
    runs = [load(path) for path in folder.runs(tmp_path / ".reluctant")]
    names = [f"2026-01-31T12-00-00-script{at}" for at in ("", *(f"-{n + 2}" for n in range(count)))]
    assert sorted(run.path.name for run in runs if run.path) == sorted(names[:count])
    assert sorted(run.info.arguments for run in runs) == [(str(at),) for at in range(count)]
    for number in range(count):
        (run,) = (run for run in runs if run.info.arguments == (str(number),))
        assert run.info.failure is None
        assert run.info.steps == 12
        (tmp_path / "alone").mkdir(exist_ok=True)
        alone = zygote.run("python", "../script.py", number, cwd=tmp_path / "alone")
        check_bit_equal(tmp_path / f"{number}.pt", tmp_path / "alone" / f"{number}.pt")
        assert (tmp_path / f"out-{number}").read_text() == alone.out


# -- places ------------------------------------------------------------------------------------

ODD = ["two words", "späte Läufe 跑", "a#b?c%20d&e", "-dash", "quote'\"quote", "new\nline"]


@pytest.mark.parametrize("name", ODD)
def test_an_odd_name_for_everything(zygote: Zygote, tmp_path: Path, name: str) -> None:
    """For the directory, the script's folder, the script and the record."""
    cwd = tmp_path / name
    (cwd / name).mkdir(parents=True)
    script = f"./{name}/{name}.py"
    (cwd / script).write_text(TRAIN + LOOP.replace("fault()", "pass"))
    plain = zygote.run("python", script, cwd=cwd)
    (cwd / "weights.pt").rename(cwd / "plain.pt")
    ours = ("run", "--every", "1", "--out", f"./{name}/out {name}")
    watched = zygote.run("reluctant", *ours, script, cwd=cwd)
    assert plain.code == watched.code == 0, watched.err
    assert watched.out == plain.out
    check_bit_equal(cwd / "plain.pt", cwd / "weights.pt")
    run = load(cwd / name / f"out {name}")
    assert run.info.script == script
    assert len(run.samples) == 12
    found = zygote.run("reluctant", "diagnose", f"./{name}/out {name}", "--format", "json", cwd=cwd)
    assert json.loads(found.out)["run"]["steps"] == 12
    by_default = zygote.run("reluctant", "run", script, cwd=cwd)
    assert by_default.code == 0
    assert len(list(folder.runs(cwd / ".reluctant"))) == 1


GOES = {
    "elsewhere": "os.mkdir('other'); os.chdir('other')",
    "to a folder that is deleted": "os.mkdir('other'); os.chdir('other'); os.rmdir('../other')",
}


@pytest.mark.parametrize("goes", GOES)
def test_a_script_that_changes_directory(zygote: Zygote, tmp_path: Path, goes: str) -> None:
    """What the verdict says to type next works where the person is."""
    script = TRAIN + f"def fault(): {GOES[goes]}\n" + LOOP
    (tmp_path / "script.py").write_text(script)
    done = zygote.run("reluctant", "run", "--every", 1, "script.py", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "0 0x" in done.out
    (path,) = folder.runs(tmp_path / ".reluctant")
    run = load(path)
    assert (len(run.samples), run.info.exit_code, run.info.failure) == (12, 0, None)
    more = re.search(r"more  (.*)", done.err)
    assert more is not None
    again = zygote.run(*shlex.split(more[1]), cwd=tmp_path)
    assert (again.code, again.err) == (0, "")


@WAYS
def test_a_record_named_from_where_the_script_began(survives: Survives, way: str) -> None:
    survived = survives(f"\ndef fault(): {GOES['elsewhere']}\n", way)
    assert len(survived.run.samples) == 12
    assert survived.run.info.failure is None
