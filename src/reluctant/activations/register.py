"""Takes a user's own function into the catalogue, from a formula or a callable."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import torch
from torch import Tensor

from reluctant.activations.catalogue import CATALOGUE, SHAPED
from reluctant.activations.definition import Activation
from reluctant.activations.expression import START, Expression
from reluctant.errors import WrongArgument
from reluctant.extras import needed

# Where a new function is tried: it must be a number there, and so must its derivative.
_GRID = torch.arange(-6_400, 6_401, dtype=torch.float64, device="cpu") / 200
_FAR = torch.tensor([-1e4, -1e2, 1e2, 1e4], dtype=torch.float64, device="cpu")


def register(
    name: str,
    function: str | Callable[..., Tensor],
    parameters: Mapping[str, float] | None = None,
    reference: str = "registered by the user",
) -> Activation:
    """Define an activation function under a name of its own, for this process.

    Afterwards it is in the catalogue as any other: `reluctant.functional.NAME`, `reluctant.nn` in
    camel case, `reluctant.swap`. Its facts are found by looking at it.

    Args:
        name: a name that is not taken, as Python writes names.
        function: a formula in z, as sympy reads it, such as `"z*tanh(exp(z))"`; its derivative is
            found symbolically (needs sympy: the extra `symbolic`). Or a callable that maps a
            tensor z, and the parameters, to a tensor of its shape; its derivative is autograd's.
            Or an expression, as `reluctant.expression("max(z, a * tanh(z))")`, whose parameters
            are learnt.
        parameters: the names of further symbols, and their values.
        reference: where it was first written down.

    Raises:
        NotInstalled: a formula is given, and sympy is not there.
        WrongArgument: the name is taken, the formula cannot be read, or gives no number somewhere
            between -10,000 and 10,000.
    """
    parameters = parameters or {}
    if not name.isidentifier() or name != name.lower():
        raise WrongArgument(
            f"{name!r} is no name for a function.", "Use lower case and underscores."
        )
    if name in CATALOGUE or name in SHAPED:
        raise WrongArgument(f"There is a function called {name} already.", "Choose another name.")
    module = "".join(part.capitalize() for part in name.split("_"))
    return define(name, function, parameters, reference, module)


def define(
    name: str,
    function: str | Callable[..., Tensor],
    parameters: Mapping[str, float],
    reference: str,
    module: str,
) -> Activation:
    """As `register`, under any name that is not taken; `module` is what its class is called."""
    if isinstance(function, str):
        formula, latex, compute, derivative = _from_formula(function, tuple(parameters))
    else:
        formula = latex = getattr(function, "__name__", name)
        compute, derivative = function, _by_autograd(function)
    learnt: tuple[str, ...] = ()
    if isinstance(function, Expression):
        formula = latex = str(function)
        learnt = function.parameters
        parameters = dict.fromkeys(learnt, START) | dict(parameters)
    activation = Activation(
        name,
        formula=formula,
        latex=latex,
        compute=compute,
        derivative=derivative,
        reference=reference,
        module=module,
        parameters=parameters,
        trainable=frozenset(learnt),
        differentiable=not isinstance(function, str),
        **_facts(name, compute, derivative, parameters),
    )
    CATALOGUE[name] = activation
    return activation


def _from_formula(text: str, names: tuple[str, ...]) -> tuple[str, str, Any, Any]:
    with needed("sympy", "A formula is read by sympy", "symbolic", "give a callable"):
        import sympy
        from sympy.printing.pytorch import TorchPrinter
    symbols = [sympy.Symbol(symbol, real=True) for symbol in ("z", *names)]
    sigmoid, softplus = _smooth(sympy)
    words = {symbol.name: symbol for symbol in symbols} | {
        "sigmoid": sigmoid,
        "softplus": softplus,
        "relu": lambda part: sympy.Max(part, 0),
    }
    try:
        formula = sympy.sympify(text, locals=words)
        strange = sorted(symbol.name for symbol in formula.free_symbols - set(symbols))
    except (sympy.SympifyError, SyntaxError, TypeError, AttributeError) as error:
        raise WrongArgument(f"The formula {text!r} cannot be read ({error}).", _HINT) from None
    if strange:
        raise WrongArgument(f"The formula {text!r} has {', '.join(strange)} in it.", _HINT)
    # The derivative of Max is Heaviside's step, which is one half at zero: pieces say it better.
    pieces = formula.replace(
        lambda part: isinstance(part, sympy.Max | sympy.Min),
        lambda part: part.rewrite(sympy.Piecewise),
    )
    # Written out, these overflow: infinity divided by infinity.
    inner = sympy.Wild("inner")
    pieces = pieces.replace(sympy.log(1 + sympy.exp(inner)), softplus(inner))
    pieces = pieces.replace(1 / (1 + sympy.exp(inner)), sigmoid(-inner))
    printer = TorchPrinter({"strict": False, "fully_qualified_modules": False})
    known: list[Any] = [
        {
            "erfc": torch.erfc,
            "erf": torch.erf,
            "sigmoid": torch.sigmoid,
            "softplus": lambda part: torch.logaddexp(part, torch.zeros_like(part)),
        },
        "torch",
    ]

    def evaluated(expression: Any) -> Callable[..., Tensor]:
        # torch takes the root of no plain number: such parts become numbers first.
        expression = expression.replace(
            lambda part: part.is_number and not part.is_Rational and not part.is_Boolean,
            lambda part: part.evalf(20),
        )
        inner = sympy.lambdify(symbols, expression, modules=known, printer=printer)

        def compute(z: Tensor, **values: float) -> Tensor:
            found = inner(
                z, *(torch.as_tensor(values[n], dtype=z.dtype, device=z.device) for n in names)
            )
            return torch.as_tensor(found, dtype=z.dtype, device=z.device).expand_as(z)

        return compute

    slope = sympy.diff(pieces, symbols[0])
    return str(formula), sympy.latex(formula), evaluated(pieces), evaluated(slope)


def _smooth(sympy: Any) -> tuple[Any, Any]:
    """The two functions that must not be computed as they are defined."""

    class sigmoid(sympy.Function):  # type: ignore[misc]  # noqa: N801
        def fdiff(self, argindex: int = 1) -> Any:
            return sigmoid(self.args[0]) * sigmoid(-self.args[0])

    class softplus(sympy.Function):  # type: ignore[misc]  # noqa: N801
        def fdiff(self, argindex: int = 1) -> Any:
            return sigmoid(self.args[0])

    return sigmoid, softplus


_HINT = "Write it in z and the names of `parameters`, as sympy does: 'Max(z, 0) + beta*exp(-z**2)'."


def _by_autograd(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def derivative(z: Tensor, **parameters: float) -> Tensor:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            (slope,) = torch.autograd.grad(function(z, **parameters).sum(), z)
        return slope

    return derivative


def _facts(
    name: str, compute: Any, derivative: Any, parameters: Mapping[str, float]
) -> dict[str, Any]:
    """What can be seen of a function: its range, whether it falls, where it is centred."""
    tried = torch.cat([_GRID, _FAR])
    try:
        # Nobody is to take this for a training script's own doing.
        with torch._C.DisableTorchFunction():
            y, slope = compute(tried, **parameters), derivative(tried, **parameters)
    except Exception as error:
        raise WrongArgument(
            f"{name} cannot be computed ({type(error).__name__}: {error}).",
            "It must map a tensor to one of the same shape, by operations of torch.",
        ) from error
    if y.shape != tried.shape:
        raise WrongArgument(
            f"{name} maps a tensor of shape {tuple(tried.shape)} to one of {tuple(y.shape)}.",
            "An activation function works on each element for itself.",
        )
    for what, values in (("value", y), ("derivative", slope)):
        bad = tried[~values.isfinite()]
        if len(bad):
            raise WrongArgument(
                f"The {what} of {name} at z = {float(bad[bad.abs().argmin()]):g} is not a number.",
                "Say what it is there, as in 'Piecewise((1, Eq(z, 0)), (sin(z)/z, True))'.",
            )
    inner, ends = y[: len(_GRID)], y[len(_GRID) :].tolist()
    low, high = float(inner.min()), float(inner.max())
    low = -inf if min(ends) < low - 1e-6 else low
    high = inf if max(ends) > high + 1e-6 else high
    left, middle, right = (float(inner[at]) for at in (0, len(_GRID) // 2, -1))
    return {
        "range": lambda **_: (low, high),
        "monotone": bool((inner.diff() >= -1e-12).all()),
        "zero_centred": middle == 0 and left < -0.1 and right > 0.1,
        "switches_off": abs(left) < 1e-3,
    }
