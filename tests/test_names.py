"""The names that `import reluctant` gives."""

import subprocess
import sys

import pytest

import reluctant


@pytest.mark.parametrize("name", sorted(set(reluctant.__all__) - {"__version__"}))
def test_a_name_stays_what_it_is_when_it_is_asked_for_again(name: str) -> None:
    """No package of the same name takes its place once it is imported."""
    code = (
        f"import reluctant; first = reluctant.{name};"
        f"assert callable(first) and reluctant.{name} is first;"
        f"from reluctant import {name}; assert {name} is first"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_modules_are_reached_by_attribute() -> None:
    code = "import reluctant; reluctant.nn.SiLU, reluctant.functional.silu"
    subprocess.run([sys.executable, "-c", code], check=True)
