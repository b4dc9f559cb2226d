"""What is missing is told with the way to install it, and nothing else is taken for it."""

import sys

import pytest

from reluctant.errors import NotInstalled
from reluctant.extras import needed

SAYS = "Pictures are drawn by matplotlib, which is not installed. Install it with "


def needing_matplotlib(name: str, instead: str | None = None) -> None:
    with needed("matplotlib", "Pictures are drawn by matplotlib", "plot", instead):
        __import__(name)


@pytest.mark.parametrize("name", ["matplotlib", "matplotlib.figure"])
def test_a_package_that_is_missing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalled) as found:
        needing_matplotlib(name)
    assert str(found.value) == f"{SAYS}`pip install 'reluctant[plot]'`."
    with pytest.raises(NotInstalled, match=r"\[plot\]'`, or draw it yourself\.$"):
        needing_matplotlib(name, "draw it yourself")


def test_another_that_is_missing_is_no_matter_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        needing_matplotlib("no_such_package")


def test_one_that_is_broken_says_so_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise ImportError("libpng.so is too old", name=name)

    monkeypatch.setattr("builtins.__import__", broken)
    with pytest.raises(ImportError, match="too old"):
        needing_matplotlib("matplotlib")
