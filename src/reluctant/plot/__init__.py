"""Pictures of a run and of functions, for papers and notebooks; needs matplotlib.

    reluctant.plot.units(run).figure.savefig("units.pdf")

Each function draws on `ax` where it is given one, and otherwise in a new figure, which pyplot does
not know and a notebook shows. It gives the axes. Each raises WrongArgument where there is nothing
to draw. What is not finite in a record is not drawn, which is why numpy need not warn of it.
"""

from reluctant.plot.depth import activations, gradient_flow
from reluctant.plot.functions import function, inputs
from reluctant.plot.steps import dead_units, loss, update_ratios
from reluctant.plot.units import units

__all__ = [
    "activations",
    "dead_units",
    "function",
    "gradient_flow",
    "inputs",
    "loss",
    "units",
    "update_ratios",
]
