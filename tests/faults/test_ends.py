"""Trainings that end early, fork, or meet an error of ours on their way."""

import signal
from pathlib import Path
from random import Random

import pytest

from reluctant import load
from reluctant.observe.observer import ALONE, TOGETHER
from tests.faults.conftest import LOOP, TRAIN, Survives
from tests.matrix.zygote import Zygote

WAYS = pytest.mark.parametrize("way", ["run", "watch"])

# -- signals -----------------------------------------------------------------------------------

KILLED = """
moment = float(sys.argv[1])
subprocess.Popen(["sh", "-c", f"sleep {moment}; kill -9 $PPID"])
for step in range(1_000_000):
    print(step, train(), flush=True)
"""


@pytest.fixture(scope="module")
def alone(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the first steps print when nobody watches."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "script.py").write_text(
        TRAIN + "for step in range(3000): print(step, train(), flush=True)\n"
    )
    return zygote.run("python", "script.py", cwd=folder).out


@pytest.mark.parametrize("turn", range(20))
def test_killed_at_some_moment(zygote: Zygote, tmp_path: Path, alone: str, turn: int) -> None:
    """As many samples as were written can be read, whatever was going on."""
    moment = Random(turn).uniform(0, 0.4)
    (tmp_path / "script.py").write_text(TRAIN + KILLED)
    command = ("reluctant", "run", "--every", 1, "--out", "run", "script.py", f"{moment:.4f}")
    done = zygote.run(*command, cwd=tmp_path)
    assert done.code == -signal.SIGKILL
    assert done.out[: len(alone)] == alone[: len(done.out)]
    steps = done.out.count("\n")
    run = load(tmp_path / "run")
    # A sample is written one step late, later ones with some others, and it may have died before
    # it said so.
    assert run.steps.tolist() == list(range(len(run.samples)))
    late = 1 if steps <= ALONE else TOGETHER + 1
    assert max(steps - late, 0) <= len(run.samples) <= steps
    for layer in run.layers:
        assert len(run.series.layer(layer.index).samples) == len(run.samples)
    for site in run.sites:
        assert len(run.series.site(site.index).samples) == len(run.samples)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGABRT", "SIGUSR1"])
def test_a_signal_without_a_handler(survives: Survives, name: str) -> None:
    number = getattr(signal, name)
    fault = f"\ndef fault():\n    save()\n    os.kill(os.getpid(), signal.{name})\n"
    survived = survives(fault, code=-number)
    assert survived.run.steps.tolist() == [0, 1, 2, 3, 4]
    assert survived.done.err == ""


HANDLES = """
stop = False
def handler(number, frame):
    global stop
    print("told", number)
    stop = True
signal.signal(signal.SIGTERM, handler)
"""
HANDLES_LOOP = """
for step in range(12):
    print(step, train())
    if step == 5: os.kill(os.getpid(), signal.SIGTERM)
    if stop: break
save()
if watching: watching.close()
sys.exit(3)
"""


@WAYS
def test_a_signal_with_a_handler(survives: Survives, way: str) -> None:
    survived = survives(HANDLES, way, code=3, loop=HANDLES_LOOP)
    assert survived.run.steps.tolist() == list(range(6))
    assert survived.run.info.failure is None


IN_OUR_CODE = """
class OutOfTime(Exception): pass
class Handler:
    def method(self, number, frame): raise OutOfTime(number)
def function(number, frame): raise OutOfTime(number)
def any_arguments(*arguments): raise OutOfTime(arguments[0])
signal.signal(signal.SIGALRM, {handler})
sent = False
def send():
    global sent
    sent = True
    os.kill(os.getpid(), signal.SIGALRM)
    for _ in range(100): pass
from reluctant.observe.layers import RowProbe
after = RowProbe.after
def slow(self):
    if step == 5 and not sent: send()
    return after(self)
RowProbe.after = slow
"""
IN_OUR_CODE_LOOP = """
try:
    for step in range(12):
        print(step, train())
        if step == 5: fault()
except OutOfTime as error:
    print("out of time", error)
save()
if watching: watching.close()
sys.exit(3)
"""


@pytest.mark.parametrize("handler", ["function", "Handler().method", "any_arguments"])
def test_what_a_handler_raises_in_our_code_is_the_scripts(survives: Survives, handler: str) -> None:
    """`send` runs within ours when watched; alone, it is called where it would have been."""
    alone = "\nold = train\ndef train():\n    loss = old()\n    if step == 5 and not sent: send()\n"
    script = IN_OUR_CODE.format(handler=handler) + alone + "    return loss\n"
    survived = survives(script, code=3, loop=IN_OUR_CODE_LOOP)
    assert "out of time" in survived.done.out
    assert survived.run.info.failure is None
    assert survived.run.steps.tolist() == list(range(5))


# -- threads and forks -------------------------------------------------------------------------


@WAYS
def test_a_thread_that_exits(survives: Survives, way: str) -> None:
    fault = """
import threading
def fault():
    thread = threading.Thread(target=sys.exit, args=(9,))
    thread.start()
    thread.join()
"""
    assert len(survives(fault, way).run.samples) == 12


@WAYS
def test_a_training_in_a_thread_that_exits(survives: Survives, way: str) -> None:
    loop = """
import threading
def body():
    for step in range(12):
        print(step, train())
    save()
    sys.exit(9)
thread = threading.Thread(target=body)
thread.start()
thread.join()
"""
    assert len(survives("", way, loop=loop).run.samples) == 12


TRAINS_ON = """
import threading, time
writing = not any(name.startswith("reluctant") for name in sys.modules)
if not writing:
    from reluctant.record.writer import Writer
    insert = Writer._insert
    def slowly(*arguments):
        global writing
        if steps > 10: writing = True
        time.sleep(0.01)
        insert(*arguments)
    Writer._insert = slowly
steps = 0
def body():
    global steps
    while True:
        train()
        steps += 1
threading.Thread(target=body, daemon=True).start()
while steps <= 10 or not writing: time.sleep(0.001)
if watching: watching.close()
sys.exit(4)
"""


@WAYS
def test_a_thread_that_trains_on_while_the_record_is_closed(survives: Survives, way: str) -> None:
    """The main thread ends the run while step 11 writes the sample before it."""
    survived = survives("", way, code=4, loop=TRAINS_ON)
    assert survived.run.steps.tolist()[:11] == list(range(11))
    assert survived.run.info.failure is None


FORKS = """
child = None
def fault():
    global child
    child = os.fork()
    if child: print("child", os.waitpid(child, 0)[1], flush=True)
"""
FORKS_LOOP = LOOP.replace("save()", 'save("child.pt" if child == 0 else "weights.pt")')


@WAYS
@pytest.mark.parametrize("ends", ["", "if child == 0: os._exit(0)\n", "sys.exit(0)\n"])
def test_a_fork_that_trains_on(survives: Survives, way: str, ends: str) -> None:
    """The child is not observed, computes the same, and leaves its parent's record alone."""
    closes = "if watching: watching.close()\n"
    survived = survives(FORKS, way, loop=FORKS_LOOP + closes + "sys.stdout.flush()\n" + ends)
    assert (survived.folder / "child.pt").exists()
    run = survived.run
    assert run.steps.tolist() == list(range(12))
    assert run.info.failure is None
    assert run.info.steps == 12
    assert survived.done.err.count("reluctant  ") == (way == "run")


def test_a_fork_that_asks_for_the_record(survives: Survives) -> None:
    fault = (
        FORKS + '    if child == 0: assert len(watching.run().samples if watching else "12345")\n'
    )
    run = survives(fault, "watch", loop=FORKS_LOOP).run
    assert run.steps.tolist() == list(range(12))


# -- errors of ours ----------------------------------------------------------------------------

OURS = [
    "observe.sites.SiteMode._look",
    "observe.graph.mark",
    "observe.sites.SiteMode.take",
    "observe.probes.Shelf.activity",
    "observe.probes.Shelf.gradient",
    "observe.layers.RowProbe.before",
    "observe.layers.RowProbe.after",
    "observe.layers.Layers.of",
    "observe.names.Names.of_call",
    "observe.clock.Clock.number",
    "observe.schedule.Schedule.due",
    "observe.schedule.Schedule.paid",
    "observe.observer.Observer._begin",
    "observe.observer.Observer._end",
    "observe.fetching._site_row",
    "record.writer.Writer.write",
]


def failing(target: str) -> str:
    return f"""
from pkgutil import resolve_name
def fails(*args, **kwargs):
    raise ZeroDivisionError("ours")
def fault():
    holder, _, name = "reluctant.{target}".rpartition(".")
    setattr(resolve_name(holder), name, fails)
"""


@pytest.mark.parametrize("target", OURS)
def test_an_error_of_ours_in_mid_run(survives: Survives, target: str) -> None:
    survived = survives(failing(target))
    assert " ".join(survived.done.err.split()).count("ZeroDivisionError: ours") == 1
    run = survived.run
    assert run.info.steps == 12
    assert str(run.info.failure).startswith("ZeroDivisionError: ours (")
    # Sample 5 waits to be written when the fault comes.
    least = 5 if target in ("observe.fetching._site_row", "record.writer.Writer.write") else 6
    assert run.steps.tolist()[:least] == list(range(least))


@pytest.mark.parametrize("target", ["observe.schedule.Schedule.due", "record.writer.Writer.write"])
def test_an_error_of_ours_between_samples(survives: Survives, target: str) -> None:
    survived = survives(failing(target), every=4)
    assert " ".join(survived.done.err.split()).count("ZeroDivisionError: ours") == 1
    assert survived.run.info.steps == 12
    assert survived.run.steps.tolist()[:1] == [0]


def test_an_error_of_ours_in_a_watch(survives: Survives) -> None:
    fault = """
def fails(*args, **kwargs):
    raise ZeroDivisionError("ours")
def fault():
    if watching:
        from reluctant.observe.probes import Shelf
        Shelf.activity = fails
"""
    survived = survives(fault, "watch")
    assert survived.done.err.startswith("reluctant: Observation was given up")
    assert survived.done.err.count("ZeroDivisionError: ours") == 1
    assert survived.run.info.failure is not None


def test_an_error_that_is_the_scripts(survives: Survives) -> None:
    survived = survives("\ndef fault():\n    save()\n    model(torch.ones(3))\n", code=1)
    assert survived.done.err.startswith("Traceback")
    assert len(survived.run.samples) == 6
