"""Starts the processes of a run as `torchrun` does, but in forks of one that has imported torch.

`python together.py N COMMAND` runs the command once a rank, each in a folder of its own, `rank-0`
and so on, where it leaves `out`, `err` and, in `code`, its exit code or the negative signal.
"""

import os
import socket
import sys
from pathlib import Path

from tests.matrix.zygote import begin


def start(size: int, command: list[str]) -> None:
    """Fork the ranks and wait for all of them."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    os.environ.update(
        WORLD_SIZE=str(size),
        LOCAL_WORLD_SIZE=str(size),
        GROUP_RANK="0",
        MASTER_ADDR="localhost",
        MASTER_PORT=str(port),
    )
    children = {}
    for rank in range(size):
        folder = Path(f"rank-{rank}").absolute()
        folder.mkdir()
        child = os.fork()
        if not child:
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
            begin(folder, command, folder)
        children[child] = folder
    for child, folder in children.items():
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        (folder / "code").write_text(str(code))


if __name__ == "__main__":
    start(int(sys.argv[1]), sys.argv[2:])
