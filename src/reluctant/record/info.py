"""What ran: the content of `run.json`. Needed before the script starts, so without numpy."""

from dataclasses import dataclass

# How a sentence in `swaps` ends where nothing was swapped.
NOT_MET = "nothing: no such function was met"


@dataclass(frozen=True)
class RunInfo:
    """What ran, where and how it ended; the content of `run.json`. Times are UTC, ISO 8601."""

    script: str
    arguments: tuple[str, ...] = ()
    started: str = ""
    cwd: str = ""
    host: str = ""
    python: str = ""
    torch: str | None = None
    reluctant: str = ""
    git_commit: str | None = None
    seed: int | None = None
    # The folder of the trial that it is a part of.
    parent: str | None = None
    module: bool = False
    # The class of the one model that was watched; None if all that trained was.
    model: str | None = None
    # What was looked at: `all`, or `parameters` alone.
    observed: str = "all"
    # What stood in for what, and where: sentences.
    swaps: tuple[str, ...] = ()
    # What the weights of each model were set to before it trained: sentences.
    beginnings: tuple[str, ...] = ()
    # Known once the run has ended; a run that was killed never says.
    seconds: float | None = None
    exit_code: int | None = None
    steps: int | None = None
    skipped: int | None = None  # steps that a gradient scaler left out
    captured: int | None = None  # steps captured in a CUDA graph
    backwards: int | None = None  # counted only until the first optimizer step
    observing_seconds: float | None = None
    # The most that it took, in bytes: of the device where that is one of CUDA's, or of the process.
    memory: int | None = None
    # A sentence if our own observation failed while the script went on.
    failure: str | None = None
