"""`reluctant run`: the script's own behaviour, a record, and a verdict at the end."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from reluctant.cli import options
from reluctant.errors import ReluctantError
from reluctant.initialization.schemes import DATA, NAMES
from reluctant.observe import launch, ranks
from reluctant.observe.launcher import Launcher, launches
from reluctant.observe.session import Session

if TYPE_CHECKING:
    from reluctant.observe.observer import Observer

# So many numbers the verdict holds of a record, 4 MB: it is given while all that the script holds
# is still there.
ROOM = 1 << 20


class _Run(click.Command):
    """`--heal` alone stands for `--heal=auto`: what follows it is the script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line."""
        return super().parse_args(ctx, list(self._whole(args)))

    def _whole(self, args: Sequence[str]) -> Iterator[str]:
        options = [at for at in self.params if isinstance(at, click.Option) and not at.is_flag]
        valued = {name for option in options for name in option.opts}
        waiting = iter(args)
        for at in waiting:
            if at == "--" or len(at) < 2 or not at.startswith("-"):
                yield at
                break
            yield "--heal=auto" if at == "--heal" else at
            if at in valued and at != "--heal":
                yield from islice(waiting, 1)
        yield from waiting  # the script's own


@click.command(cls=_Run, context_settings={"allow_interspersed_args": False})
@options.as_module
@options.out
@options.seed
@click.option("--quiet", "-q", is_flag=True, help="Record, but print no verdict.")
@click.option(
    "--budget",
    type=click.FloatRange(0, 1),
    help="Share of the run's time that observation may take: 0.01, or 0.05 with --heal.",
)
@click.option(
    "--every",
    type=click.IntRange(1),
    metavar="N",
    help="Observe every N-th step, whatever it costs.",
)
@click.option(
    "--observe",
    type=click.Choice(["all", "parameters"]),
    default="all",
    show_default=True,
    help="Look at activations too, or only at what optimizers do to weights.",
)
@click.option(
    "--swap",
    "swaps",
    multiple=True,
    metavar="OLD=NEW",
    help="Put an activation function in another's place, as relu=leaky_relu:0.1.",
)
@click.option(
    "--init",
    type=click.Choice(NAMES),
    help="Set the weights of each model, before it trains, for the functions that it uses.",
)
@click.option(
    "--at",
    "sites",
    multiple=True,
    metavar="SITE",
    help="Swap at this site alone, as features.3:relu; may be given several times.",
)
@click.option(
    "--heal",
    metavar="[=REMEDY,...]",
    help="Treat what is found while the script runs, by all remedies or by these alone; "
    "'ask' among them has you asked before each.",
)
@click.option(
    "--heal-placebo",
    "treated",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    hidden=True,
    help="Do to no purpose what was done in the treated run of this record.",
)
@click.option(
    "--pace",
    type=click.FloatRange(0, min_open=True),
    hidden=True,
    help="Step at so many times the script's own rates.",
)
@click.option(
    "--until", type=click.IntRange(1), hidden=True, help="End the script after so many steps."
)
@click.option("--parent", hidden=True, help="The folder of the trial that the run is a part of.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def run(
    afterwards: list[Callable[[], int]],
    module: bool,
    out: Path | None,
    seed: int | None,
    quiet: bool,
    budget: float | None,
    every: int | None,
    observe: str,
    swaps: tuple[str, ...],
    init: str | None,
    sites: tuple[str, ...],
    heal: str | None,
    treated: Path | None,
    pace: float | None,
    until: int | None,
    parent: str | None,
    script: str,
    args: tuple[str, ...],
) -> None:
    """Run SCRIPT as python would, watch it train, and say at the end how its units fared.

    Options before SCRIPT are ours, all after it are the script's own. The script's output and
    exit code are its own too; ours goes to stderr.
    """
    for text in swaps:
        if not all(text.partition("=")):
            raise click.BadParameter(f"{text!r} is not OLD=NEW.", param_hint="--swap")
    if init == DATA and (ranks.size() > 1 or launches(script, module)):
        raise click.BadParameter(
            "Processes that train together have different data: choose another scheme.",
            param_hint="--init",
        )
    if sites and not swaps:
        raise click.UsageError("--at says where --swap is to be, and there is none.")
    if heal is not None and treated is not None:
        raise click.UsageError("A run is treated or has a placebo.")
    if parent is not None:
        # Nobody would read its record, and the next to be started would make it anew.
        launch.end_with_parent()
    remedies = None if heal is None else _remedies(heal)
    if budget is None:
        budget = 0.01 if heal is None else 0.05
    session: Session | Launcher
    if launches(script, module):
        ours = tuple(_ours(seed, budget, every, observe, swaps, init, sites, heal))
        session = Launcher(script, module, args, out, ours)
        program = session.program
    else:
        program = launch.module(script, args) if module else launch.script(script, args)
        session = Session(
            program.name,
            program.argv[1:],
            program.is_module,
            out=out,
            seed=seed,
            budget=budget,
            every=every,
            swaps=swaps,
            init=init,
            sites=sites,
            activations=observe == "all",
            attend=_attendant(remedies, treated, seed or 0) if pace is None else _paced(pace),
            until=until,
            parent=parent,
        )
    if session.complaint is not None and not quiet and ranks.first_here():
        _say(session.complaint, session.path)
    afterwards.append(_Watched(program, session, quiet).run)


def _remedies(text: str) -> tuple[str, ...]:
    """What `--heal` names, `ask` among it."""
    from reluctant.remedy.propose import LEARNT, REMEDIES

    named = tuple(text.split(","))
    known = (*REMEDIES, LEARNT)
    unknown = [name for name in named if name not in (*known, "ask", "auto")]
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is no remedy; there are {', '.join(known)}, and 'ask' to be asked "
            "before each.",
            param_hint="--heal",
        )
    every = "auto" in named or named == ("ask",)
    return (*REMEDIES, *(at for at in named if at == "ask")) if every else named


def _attendant(
    remedies: tuple[str, ...] | None, treated: Path | None, seed: int
) -> "Callable[[Observer, Path], object] | None":
    """Who changes what trains, if anyone does."""
    if remedies is not None:
        return _healer(remedies, seed)
    return None if treated is None else _placebo(treated.resolve(), seed)


def _placebo(treated: Path, seed: int) -> "Callable[[Observer, Path], object]":
    def attend(observer: "Observer", path: Path) -> object:
        from reluctant.healing.placebo import Placebo

        return Placebo(observer, path, treated, seed)

    return attend


def _paced(factor: float) -> "Callable[[Observer, Path], object]":
    def attend(observer: "Observer", path: Path) -> object:
        from reluctant.remedy.throttle import THROTTLE

        paced = ExitStack()
        paced.enter_context(THROTTLE.all(factor))
        return atexit.register(paced.close)

    return attend


def _healer(remedies: tuple[str, ...], seed: int) -> "Callable[[Observer, Path], object]":
    def attend(observer: "Observer", path: Path) -> object:
        from reluctant.healing import Asking, Healer

        consent = Asking() if "ask" in remedies else None
        return Healer(observer, path, remedies, seed, consent)

    return attend


def _ours(
    seed: int | None,
    budget: float,
    every: int | None,
    observe: str,
    swaps: tuple[str, ...],
    init: str | None,
    sites: tuple[str, ...],
    heal: str | None,
) -> Iterator[str]:
    """The options with which a launcher's processes are to be observed."""
    given: dict[str, object] = {"--seed": seed, "--budget": budget, "--every": every}
    given |= {"--observe": observe, "--init": init}
    for option, value in given.items():
        if value is not None:
            yield from (option, str(value))
    for swap in swaps:
        yield from ("--swap", swap)
    for site in sites:
        yield from ("--at", site)
    if heal is not None:
        yield f"--heal={heal}"


class _Watched:
    """A program that is run; when the interpreter exits, its record is completed and judged."""

    def __init__(self, program: launch.Program, session: Session | Launcher, quiet: bool) -> None:
        self._program = program
        self._session = session
        self._quiet = quiet
        self._outcome = launch.Outcome(0)

    def run(self) -> int:
        """Run it; returns its exit code."""
        # Registered before anything of the script's, so that it runs after: the script's own exit
        # handlers, and its threads, come first.
        atexit.register(self._end)
        self._outcome = self._program.run()
        return self._outcome.exit_code

    def _end(self) -> None:
        if not self._session.here:
            return
        # What loading the verdict allocates would have all that the script holds searched for
        # garbage: with torch there, longer than the verdict takes. Python itself does so at exit.
        collecting = gc.isenabled()
        gc.disable()
        try:
            said = self._session.complaint
            self._session.finish(self._outcome.exit_code)
            if not (self._quiet or self._session.refused) and self._session.rank == 0:
                self._verdict(said)
        except Exception as error:
            print(f"reluctant: no verdict can be given ({error})", file=sys.stderr)
        finally:
            if collecting:
                gc.enable()
        if self._outcome.interrupted:
            _die_of_interrupt()

    def _verdict(self, said: ReluctantError | None) -> None:
        from reluctant.diagnosis import diagnose
        from reluctant.record.reader import load
        from reluctant.report import terminal

        info, complaint = self._session.info, self._session.complaint
        known = info is not None and info.failure is not None and self._session.path is not None
        if complaint is not None and complaint is not said and not known:
            _say(complaint, None)
        if self._session.path is None:
            return
        try:
            run = load(self._session.path, ROOM)
            # What could not be written is known here all the same.
            if info is not None:
                run = replace(run, info=replace(info, failure=info.failure or run.info.failure))
            text = terminal.verdict(run, diagnose(run))
        except ReluctantError as error:
            _say(error, None)
        else:
            terminal.show(text, sys.stderr)


def _say(error: ReluctantError, instead: Path | None) -> None:
    where = f"\n           It goes to {instead} instead." if instead is not None else ""
    print(f"reluctant: {error.sentence}{where}\n           {error.way_out}", file=sys.stderr)


def _die_of_interrupt() -> None:
    """As python does after an unhandled Ctrl-C, so that a calling shell knows of it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
