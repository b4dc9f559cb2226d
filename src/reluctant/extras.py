"""Packages that only some things need: where one is missing, it is said what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

from reluctant.errors import NotInstalled


@contextmanager
def needed(package: str, what: str, extra: str, instead: str | None = None) -> Iterator[None]:
    """Import within this what needs a package.

    Args:
        package: as it is imported.
        what: needs it, a sentence that ends with its name: `Pictures are drawn by matplotlib`.
        extra: of ours, with which it is installed.
        instead: what else one can do, a phrase.

    Raises:
        NotInstalled: it is not there. All else that may go wrong in it is said by itself.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        raise NotInstalled.of(what, extra, instead) from None
