"""A PostgreSQL of our own, where the system has one installed."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def server() -> Path | None:
    """Where PostgreSQL's own programs are, which Debian keeps off the path."""
    found = [Path(at).parent for at in [shutil.which("initdb")] if at]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((at for at in found if (at / "initdb").exists()), None)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of our own, on a socket in a folder of the test's."""
    programs = server()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    home = tmp_path_factory.mktemp("pg")
    # It refuses to run as root.
    root = os.geteuid() == 0
    if root:
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        # Its folder is pytest's, whose folders are closed to others.
        for at in (home, *home.parents):
            if at.owner() == getpass.getuser() and not at.stat().st_mode & 0o001:
                at.chmod(0o755)
        shutil.chown(home, "postgres")
    become = ["runuser", "-u", "postgres", "--"] if root else []
    user = "postgres" if root else getpass.getuser()

    def call(name: str, *arguments: str) -> None:
        command = [*become, str(programs / name), *arguments]
        subprocess.run(command, check=True, cwd=home, stdout=subprocess.DEVNULL)

    call("initdb", "-D", f"{home}/data", "-A", "trust", "-N")
    options = f"-k {home} -c listen_addresses= -c fsync=off"
    call("pg_ctl", "-D", f"{home}/data", "-w", "-l", f"{home}/log", "-o", options, "start")
    try:
        yield f"postgresql+psycopg://{user}@/postgres?host={home}"
    finally:
        call("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")
