"""How notebooks show a run."""

from reluctant.diagnosis import diagnose
from reluctant.errors import ReluctantError
from reluctant.record.run import Run
from reluctant.report.card import card, sentence


def shown(run: Run) -> str:
    """The run and what is wrong in it, as HTML; why there is none, if its record is damaged."""
    try:
        return card(run, diagnose(run))
    except ReluctantError as error:
        return sentence(str(error))
