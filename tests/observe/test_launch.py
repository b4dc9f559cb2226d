"""A script under `reluctant run` is the script under `python`: byte for byte."""

import subprocess
import sys
from pathlib import Path

import pytest

PYTHON = [sys.executable]
OURS = [sys.executable, "-m", "reluctant", "run", "--quiet"]


def outcome(command: list[str], where: Path, **options: object) -> tuple[int, bytes, bytes]:
    done = subprocess.run(command, cwd=where, capture_output=True, timeout=120, **options)
    return done.returncode, done.stdout, done.stderr


def check_same(where: Path, arguments: list[str], **options: object) -> tuple[int, bytes, bytes]:
    plain = outcome(PYTHON + arguments, where, **options)
    assert outcome(OURS + arguments, where, **options) == plain
    return plain


PLAIN = {
    "arguments": "import sys; print(sys.argv, sys.path[0]); print(*sorted(sys.flags))",
    "main": """
        import __main__, sys
        print(sorted(k for k in vars(__main__) if k.startswith("__")), __name__, __file__)
        print(__spec__, __package__, __cached__, __doc__, __loader__.name, __main__.__file__)
        print(type(__builtins__), sys.modules["__main__"] is __main__)
        """,
    "exit code": "raise SystemExit(3)",
    "exit none": "import sys; sys.exit()",
    "exit message": "import sys; sys.exit('no more')",
    "exit negative": "import sys; sys.exit(-1)",
    "exit in a function": "import os\ndef f():\n    os._exit(5)\nf()",
    "raises": "def f(x):\n    return 1 / x\nprint('before')\nf(0)",
    "raises from": """
        def f():
            try:
                {}['a']
            except KeyError as e:
                raise ValueError('b') from e
        try:
            f()
        except ValueError:
            raise RuntimeError('c')
        """,
    "syntax error": "def f(:\n  pass",
    "import error": "import there_is_no_such_module",
    "own excepthook": "import sys\nsys.excepthook = lambda *a: print(a[0], a[2].tb_lineno)\n1/0",
    "broken excepthook": "import sys\ndef hook(*a):\n    [][1]\nsys.excepthook = hook\n1/0",
    "exit handlers": "import atexit\natexit.register(print, 'last')\nprint('first')\n1/0",
    "garbage at the end": """
        import gc
        class Ring:
            def __init__(self):
                self.next = self
            def __del__(self):
                print('gone', gc.isenabled())
        Ring()
        """,
    "threads": """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.3), print('late'))).start()
        print('main is done')
        """,
    "interrupt": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)",
    "interrupt caught": """
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            print('ok')
        """,
    "stdin": "print(input().upper())",
    "warns": "import warnings\nwarnings.warn('careful')",
    "torch warns": """
        import warnings, torch
        from torch import nn
        from torch.nn import functional as F
        warnings.filterwarnings("ignore", module="torch.nn.modules.loss")
        model, measure = nn.Linear(4, 1), nn.MSELoss()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x, y = torch.ones(8, 4), torch.zeros(8)
        def off(loss): return F.l1_loss(model(x), y) + loss
        for step in range(4):
            loss = F.mse_loss(model(x), y)
            loss = off(loss) + F.mse_loss(model(x), y) + measure(model(x), y)
            nn.Dropout2d()(torch.ones(2, 3))
            torch.ones(2, 3, 4).T
            for action in ("once", "always", "module"):
                with warnings.catch_warnings():
                    warnings.simplefilter(action)
                    F.mse_loss(model(x), y)
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    F.mse_loss(model(x), y)
                except UserWarning as warning:
                    print(warning)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        """,
    "warnings are logged": """
        import logging, torch, warnings
        from torch.nn import functional as F
        logging.basicConfig()
        logging.captureWarnings(True)
        x = torch.nn.Parameter(torch.ones(8, 1))
        optimizer = torch.optim.SGD([x], 0.1)
        def first(): return F.mse_loss(x, torch.zeros(8))
        def other(): return F.mse_loss(x, torch.zeros(8))
        def third(): return F.mse_loss(x, torch.zeros(8))
        for loss in (first, first, other, third):
            if loss is other:
                logging.captureWarnings(False)
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
        with warnings.catch_warnings(record=True) as kept:
            warnings.simplefilter("always")
            first()
        print([(at.filename, at.lineno) for at in kept])
        """,
    "spawned worker": """
        import multiprocessing as mp
        def work(x): return x * x
        if __name__ == '__main__':
            with mp.get_context('spawn').Pool(1) as pool:
                print(pool.map(work, [1, 2, 3]))
        """,
    "forked": """
        import os, sys
        print('parent', flush=True)
        if os.fork() == 0:
            print('child')
            sys.exit(4)
        print(os.wait()[1] >> 8)
        """,
    "pickles its classes": """
        import pickle
        class Thing: pass
        print(type(pickle.loads(pickle.dumps(Thing()))))
        """,
}


def write(path: Path, source: str) -> None:
    import textwrap

    path.write_text(textwrap.dedent(source).lstrip("\n"))


@pytest.mark.parametrize("name", PLAIN)
def test_a_script_runs_as_python_runs_it(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a script.py", PLAIN[name])
    check_same(tmp_path, ["a script.py", "--lr", "0.1", "-m", "x", "--out", "y"], input=b"hello\n")


def test_a_script_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub" / "near.py", "name = 'near'")
    write(
        tmp_path / "sub" / "script.py", "import near, sys; print(near, __file__, sys.path[0])\n1/0"
    )
    check_same(tmp_path, ["./sub/../sub/script.py"])
    (tmp_path / "link.py").symlink_to("sub/script.py")
    check_same(tmp_path, ["link.py"])


def test_modules_packages_and_folders(tmp_path: Path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    write(package / "__init__.py", "print('init')")
    show = "import sys\nfrom pkg import near\nprint(sys.argv, sys.path[0], __file__)\n"
    show += "print(__name__, __package__, __spec__.name)"
    write(package / "near.py", "")
    write(package / "tool.py", f"{show}\n1/0")
    write(package / "__main__.py", show)
    check_same(tmp_path, ["-m", "pkg.tool", "--x", "-m"])
    check_same(tmp_path, ["-m", "pkg"])
    folder = tmp_path / "folder"
    folder.mkdir()
    write(
        folder / "__main__.py", "import sys; print(sys.argv, sys.path[0], repr(__package__))\n1/0"
    )
    check_same(tmp_path, ["folder", "1"])


# Only where it is needed: to make one takes longer than all else.
SGD = "o = torch.optim.SGD(model.parameters(), lr=0.1)"
TRAINING_FAILS = {
    "in a module": "model(x[:, :3])",
    "in a function": "F.relu('text')",
    "in an activation module": "nn.ReLU()(None)",
    "in the loss": "F.cross_entropy(model(x), torch.zeros(2))",
    "in backward": "model(x).backward()",
    "twice backward": "l = model(x).sum(); l.backward(); l.backward()",
    "in the optimizer": f"{SGD}; model(x).sum().backward(); o.step(closure=lambda: 1/0)",
    "later": f"{SGD}; [(model(x).sum().backward(), o.step()) for _ in range(5)]; model(x[0, :2])",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINING_FAILS)
def test_an_error_in_training_shows_pythons_traceback(tmp_path: Path, name: str) -> None:
    write(
        tmp_path / "train.py",
        f"""
        import torch
        from torch import nn
        from torch.nn import functional as F
        x = torch.randn(5, 4)
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 3)))
        {TRAINING_FAILS[name]}
        """,
    )
    code, _, error = check_same(tmp_path, ["train.py"])
    assert code == 1
    assert b"Traceback" in error


def test_nothing_heavy_is_imported_before_the_script(tmp_path: Path) -> None:
    write(
        tmp_path / "script.py",
        "import sys; print([m for m in ('torch', 'numpy', 'rich', 'scipy') if m in sys.modules])",
    )
    assert outcome([*OURS, "script.py"], tmp_path)[1] == b"[]\n"


def test_the_seed_reaches_every_generator(tmp_path: Path) -> None:
    write(
        tmp_path / "script.py",
        """
        import random
        import numpy
        import torch
        print(random.random(), numpy.random.rand(), torch.rand(1).item())
        """,
    )
    first, again, other = (
        outcome([*OURS, "--seed", seed, "script.py"], tmp_path)[1] for seed in ("7", "7", "8")
    )
    assert first == again != other
    import random

    assert first.split()[0] == str(random.Random(7).random()).encode()


def test_ctrl_c_is_seen_by_the_shell(tmp_path: Path) -> None:
    """The process dies of the signal, as python does, and does not merely exit with a number."""
    write(tmp_path / "script.py", PLAIN["interrupt"])
    code, _, error = outcome([*OURS, "script.py"], tmp_path)
    assert code == -2
    assert error.endswith(b"KeyboardInterrupt\n")
