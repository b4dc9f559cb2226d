"""A zygote for scripts."""

from collections.abc import Iterator

import pytest
from tests.matrix.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote("torch._dynamo", "torch._functorch.aot_autograd")
    yield made
    made.close()
