"""`--heal=ask`: a person at the terminal decides on each remedy. Needs no torch."""

import sys
from typing import TextIO

from reluctant.remedy.propose import Proposal
from reluctant.remedy.refusal import Refused
from reluctant.words import number

TERMINAL = "/dev/tty"


class Asking:
    """Asks on stderr, and reads from the terminal: stdin is the script's."""

    def __init__(self) -> None:
        self._told = False

    def __call__(self, proposal: Proposal) -> bool:
        """Whether the person says yes.

        Raises:
            Refused: there is no terminal.
        """
        try:
            terminal = _terminal()
        except OSError:
            if not self._told:
                self._told = True
                print(
                    "reluctant: There is no terminal to ask at, so nothing is treated.",
                    file=sys.stderr,
                )
            raise Refused("There was no terminal to ask at.") from None
        with terminal:
            print(_question(proposal), end="", file=sys.stderr, flush=True)
            return terminal.readline().strip().lower() in ("y", "yes")


def _terminal() -> TextIO:
    return open(TERMINAL, encoding="utf-8", errors="replace")


def _question(proposal: Proposal) -> str:
    finding = proposal.finding
    where = f"layer {finding.layer}" if finding.layer else "the whole run"
    units = "" if finding.units is None else f", {finding.units.count:,} units"
    return (
        f"reluctant: {finding.slug}, {where}{units}: {finding.cause.text}\n"
        f"           Apply {proposal.remedy}? {_promise(proposal)}[y/N] "
    )


def _promise(proposal: Proposal) -> str:
    if proposal.finding.units is None and proposal.measure == proposal.finding.slug:
        return ""  # that it is to be gone goes without saying
    before, predicted = number(proposal.before), number(proposal.predicted)
    return f"({proposal.measure}: {before}, predicted {predicted}) "
