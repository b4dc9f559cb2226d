"""A zygote for all scripts."""

from collections.abc import Iterator

import pytest

from tests.matrix.zygote import Zygote


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()
