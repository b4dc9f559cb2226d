"""Options that several subcommands have."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from reluctant.record.finding import Diagnosis

    _Time = click.ParamType[float]
else:
    _Time = click.ParamType  # not to be subscripted before click 8.2

Command = TypeVar("Command", bound=Callable[..., Any])

UNHEALTHY = 1
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_RANK = {"never": 4, "error": 3, "warning": 2, "note": 1}


class Duration(_Time):
    """A time, as `2h`, `90m` or `1h 30m`; a number alone is seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, float):
            return value
        parts = re.findall(r"([\d.]+)\s*([a-z]*)\s*", str(value))
        try:
            if "".join(map("".join, parts)) != re.sub(r"\s", "", str(value)):
                raise ValueError
            found = sum(float(size) * _SECONDS[unit] for size, unit in parts)
        except (ValueError, KeyError):
            found = 0.0
        if not found:
            self.fail(f"{value!r} is no time; write it as 2h, 90m or 1h30m.", param, ctx)
        return found


def _has_a_place(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is not None and "{}" not in text:
        raise click.BadParameter(f"{text!r} has no {{}} for the seed.")
    return text


form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)

fail_on = click.option(
    "--fail-on",
    type=click.Choice(list(_RANK)),
    default="error",
    show_default=True,
    help="Exit with 1 on a finding at least as severe.",
)

as_module = click.option("-m", "module", is_flag=True, help="Run a module, as `python -m` does.")

out = click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Record into this folder instead of a new one under .reluctant/runs.",
)

seed = click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    help="Seed random, numpy and torch before the script starts.",
)

seed_argument = click.option(
    "--seed-arg",
    metavar="ARG",
    callback=_has_a_place,
    help="How the script is told its seed, as '--seed {}'; by default it is seeded from outside.",
)

_metric = (
    click.option(
        "--metric",
        metavar="REGEX|NAME",
        help="What runs are compared by: the group of the last match in the output, or the name of "
        "what the script gives to reluctant.log or TensorBoard.  [default: the training loss]",
    ),
    click.option("--maximize", "way", flag_value="high", help="More of the metric is better."),
    click.option("--minimize", "way", flag_value="low", help="Less of it is; else its name tells."),
)


def metric(command: Command) -> Command:
    """What runs are compared by, `metric`, and which `way` it is better."""
    for option in reversed(_metric):
        command = option(command)
    return command


jobs = click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time."
)


html = click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a page of it to FILE, too; it needs no network.",
)

opened = click.option(
    "--open",
    "opened",
    is_flag=True,
    help="Show that page in the browser; without --html it is put beside the records.",
)


def exit_code(diagnosis: "Diagnosis", fail_on: str) -> int:
    """What `--fail-on` makes of a diagnosis."""
    severity = diagnosis.severity
    return UNHEALTHY if severity is not None and severity >= _RANK[fail_on] else 0
