"""The most memory that this process has taken."""

import resource
import sys
from contextlib import suppress
from pathlib import Path


def peak() -> int | None:
    """In bytes: of a CUDA device if the script has used one, or else resident in the process."""
    torch = sys.modules.get("torch")
    with suppress(Exception):
        if torch is not None and torch.cuda.is_initialized():
            return int(torch.cuda.max_memory_allocated())
    # What getrusage says is at least what the process had that started this one.
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else 1024 * used
