"""Fast twins of the definitions: the same functions in operations that somebody has made quick.

A definition without a twin is computed as torch itself does, or by its own arithmetic. A twin in
another language would be one more file here.
"""

from reluctant.activations.kernels import aten as aten
from reluctant.activations.kernels import compiled as compiled
from reluctant.activations.kernels.kernel import Bound as Bound
from reluctant.activations.kernels.kernel import Kernel as Kernel
