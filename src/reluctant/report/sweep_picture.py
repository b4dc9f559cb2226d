"""A sweep of learning rates as a picture; needs matplotlib."""

from math import isfinite
from pathlib import Path
from typing import Any

from reluctant.record.sweep import Sweep
from reluctant.report.canvas import saved


def draw(sweep: Sweep, path: Path) -> None:
    """Loss, and the share of units that are dead, against the rate, into a file.

    Raises:
        NotInstalled, WrongArgument, FolderNotWritable: as `saved` does.
    """
    with saved(path, 6.4, 4.0) as figure:
        from reluctant.report.strokes import BLUE, GREY, VERMILION

        axes = figure.add_subplot()
        known = all(at.rate is not None for at in sweep.rates)

        def place(at: Any) -> float:
            return float(at.rate if known else at.factor)

        shown = [at for at in sweep.rates if at.loss is not None and isfinite(at.loss)]
        held = [at.loss for at in shown if at.verdict not in ("diverges", "fails") and at.loss]
        axes.set_xscale("log")
        axes.plot([place(at) for at in shown], [at.loss for at in shown], "o-", color=BLUE)
        axes.set_xlabel("learning rate" if known else "learning rate, times the script's own")
        axes.set_ylabel("loss", color=BLUE)
        if held and min(held) > 0 and max(held) > 10 * min(held):
            axes.set_yscale("log")
        if held:
            # What diverges would leave no room for the rest.
            top, low = max(held), min(held)
            margin = 1.25 if axes.get_yscale() == "log" else 1.0
            room = 0.0 if margin > 1 else 0.08 * max(top - low, 1e-12)
            axes.set_ylim(low / margin - room, top * margin + room)
        if sweep.units:
            dead = axes.twinx()
            shares = [100 * at.dead / sweep.units for at in sweep.rates]
            dead.plot(list(map(place, sweep.rates)), shares, "s--", color=VERMILION)
            dead.set_ylabel("dead units (%)", color=VERMILION)
            dead.set_ylim(bottom=0, top=max(1.05 * max(shares), 1))
        axes.axvline(place(sweep.own), color=GREY, linestyle=":", label="the script's own")
        if sweep.named is not None:
            label = f"largest that learns and does not kill: {place(sweep.named):.3g}"
            axes.axvline(place(sweep.named), color="black", linewidth=1, label=label)
        axes.set_title(f"{Path(sweep.script).name}, {sweep.steps} steps at each rate", fontsize=10)
        figure.legend(loc="outside lower center", frameon=False, ncols=2, fontsize=9)
