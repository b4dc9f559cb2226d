"""Settings for all tests."""

import os
import signal
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

from reluctant.activations import CATALOGUE
from tests.matrix import zygote as forking

# A pool of processes that compile would live on in the process of the tests, with threads of its
# own, and whatever forks later would leave them behind in the middle of something.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

# Machines differ and are shared: how long an example takes is not what is tested.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# Whatever starts the tests in the background has these ignored, and so would the scripts have them
# that the tests send signals to.
for _number, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--device cuda` has the tests of the matrix, of functions and of healing train there."""
    parser.addoption("--device", default="cpu", help="where tests train that can do it elsewhere")


def pytest_configure(config: pytest.Config) -> None:
    """Have tensors made there, in this process and in the scripts that it starts."""
    device = config.getoption("--device")
    if device != "cpu":
        os.environ[forking.DEVICE] = device
        torch.set_default_device(device)


@pytest.fixture(autouse=True)
def _catalogue() -> Iterator[None]:
    """A function that a test registers is gone after it."""
    known = set(CATALOGUE)
    yield
    for name in set(CATALOGUE) - known:
        del CATALOGUE[name]


@pytest.fixture(scope="session")
def zygote() -> forking.Zygote:
    """Starts scripts quickly, in forks of one process."""
    return forking.zygote()
