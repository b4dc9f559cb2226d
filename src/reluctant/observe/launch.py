"""Runs a script or module as `python` itself would, and says how it ended.

The ways of `python SCRIPT` and `python -m MODULE` were read off CPython's `runpy`.
"""

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from reluctant.errors import ScriptNotFound

# What `python -m` and `python FOLDER` call; its frames belong to the traceback of what fails.
_RUN_AS_MAIN = runpy._run_module_as_main  # type: ignore[attr-defined]

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>

_PACKAGE = str(Path(__file__).parents[1])


@dataclass(frozen=True)
class Outcome:
    """How a script ended: the exit code that python would give, and whether Ctrl-C ended it."""

    exit_code: int
    interrupted: bool = False


@dataclass(frozen=True)
class Program:
    """A script or module that is there, ready to be compiled and run."""

    name: str
    argv: tuple[str, ...]
    home: str  # becomes sys.path[0]
    body: Callable[[dict[str, Any]], object]
    attributes: dict[str, Any]
    is_module: bool = False

    def run(self) -> Outcome:
        """Execute it in a fresh `__main__`, reporting what it raises as python does."""
        main = ModuleType("__main__")
        vars(main).update(self.attributes, __builtins__=sys.modules["builtins"])
        if sys.version_info < (3, 14):
            vars(main)["__annotations__"] = {}
        sys.modules["__main__"] = main
        sys.argv[:] = self.argv
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = self.home
        try:
            self.body(vars(main))
        except SystemExit as leaving:
            return Outcome(_exit_code(leaving))
        except BaseException as error:
            raised = error
        else:
            return Outcome(0)
        # Only now, out of the handler: an excepthook that fails has no context in python either.
        _report(raised)
        return Outcome(1, interrupted=isinstance(raised, KeyboardInterrupt))


def end_with_parent() -> None:
    """Have the system end this process at once when the one that started it is gone (Linux)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def script(path: str, arguments: Sequence[str]) -> Program:
    """The program that `python PATH ARGUMENTS` would run: a file, or a folder with `__main__.py`.

    Raises:
        ScriptNotFound: there is no such file.
    """
    # Not normalised: python joins the current directory and what it was given, no more.
    file = os.path.join(os.getcwd(), path)
    if os.path.isfile(os.path.join(path, "__main__.py")):
        body = partial(_RUN_AS_MAIN, "__main__", False)
        return Program(path, (path, *arguments), file, lambda main: body(), {})
    if not os.path.isfile(path):
        raise ScriptNotFound(
            f"There is no script {path}.",
            "Give the path of a Python file; our options go before it, the script's own after.",
        )
    attributes = {
        "__file__": file,
        "__loader__": SourceFileLoader("__main__", file),
        "__spec__": None,
        "__package__": None,
        "__cached__": None,
    }
    return Program(
        path,
        (path, *arguments),
        os.path.dirname(os.path.realpath(path)),
        lambda main: exec(compile(Path(file).read_bytes(), file, "exec", dont_inherit=True), main),
        attributes,
    )


def module(name: str, arguments: Sequence[str]) -> Program:
    """The program that `python -m NAME ARGUMENTS` would run.

    Raises:
        ScriptNotFound: there is no such module, or it cannot be run.
    """
    # As `python -m` does: the current directory comes first while the module is looked for.
    if not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.getcwd()
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        raise ScriptNotFound(
            f"There is no module {name} to run ({error}).", "Check its name and the directory."
        ) from None
    if spec is None:
        raise ScriptNotFound(
            f"There is no module {name} to run.",
            "Give a module, or a package that has a `__main__`; a file is run without -m.",
        )
    body = partial(_RUN_AS_MAIN, name)
    return Program(name, ("-m", *arguments), os.getcwd(), lambda main: body(), {}, is_module=True)


def _exit_code(leaving: SystemExit) -> int:
    """What python makes of `sys.exit(code)`, its message printed."""
    if leaving.code is None:
        return 0
    if isinstance(leaving.code, int):
        return leaving.code
    print(leaving.code, file=sys.stderr)
    return 1


def _report(error: BaseException) -> None:
    """Print the traceback that python would print, through the script's own excepthook."""
    _without_our_frames(error)
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as failure:
        print("Error in sys.excepthook:", file=sys.stderr)
        _without_our_frames(failure)
        sys.__excepthook__(type(failure), failure, failure.__traceback__)
        print("\nOriginal exception was:", file=sys.stderr)
        sys.__excepthook__(type(error), error, error.__traceback__)


def _without_our_frames(error: BaseException) -> None:
    """Drop our frames from a traceback, and from those of the exceptions behind it."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        current.__traceback__ = _script_frames(current.__traceback__)
        waiting += [current.__cause__, current.__context__]
        waiting += getattr(current, "exceptions", ())


def _script_frames(top: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while top is not None:
        if not top.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            kept.append(top)
        elif kept and kept[-1].tb_frame.f_code.co_name == "handle_torch_function":
            # A function of torch written in Python handed itself to the observing mode and was
            # then called again: two frames that are not there when nobody observes.
            del kept[-2:]
        top = top.tb_next
    rebuilt = None
    for entry in reversed(kept):
        rebuilt = TracebackType(rebuilt, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return rebuilt
