"""The catalogue of activation functions, each defined once."""

from reluctant.activations.catalogue import CATALOGUE as CATALOGUE
from reluctant.activations.catalogue import FAMILIES as FAMILIES
from reluctant.activations.catalogue import SHAPED as SHAPED
from reluctant.activations.catalogue import lookup as lookup
from reluctant.activations.definition import Activation as Activation
from reluctant.activations.definition import Shaped as Shaped
