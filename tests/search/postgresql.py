"""A PostgreSQL of our own, where the system has one installed."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


def server() -> Path | None:
    """Where PostgreSQL's own programs are, which Debian keeps off the path."""
    found = [Path(at).parent for at in [shutil.which("initdb")] if at]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((at for at in found if (at / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The address of a server of our own, on a socket in a folder of its own."""
    programs = server()
    if programs is None:
        pytest.skip("needs a database server: apt-get install postgresql")
    pytest.importorskip("psycopg", reason="needs a driver: pip install 'reluctant[postgresql]'")
    # It refuses to run as root.
    root = os.geteuid() == 0
    if root and shutil.which("runuser") is None:
        pytest.skip("PostgreSQL does not run as root, and there is no runuser")
    become = ["runuser", "-u", "postgres", "--"] if root else []
    user = "postgres" if root else getpass.getuser()
    # Not in pytest's own folder: that is closed to all others, and too deep for a socket's name.
    with TemporaryDirectory(prefix="reluctant-") as home:
        if root:
            shutil.chown(home, user)

        def call(name: str, *arguments: str) -> None:
            command = [*become, str(programs / name), *arguments]
            subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL, timeout=120)

        call("initdb", "-D", f"{home}/data", "-A", "trust", "-N")
        options = f"-k {home} -c listen_addresses= -c fsync=off"
        call("pg_ctl", "-D", f"{home}/data", "-w", "-l", f"{home}/log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://{user}@/postgres?host={home}"
        finally:
            call("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")
