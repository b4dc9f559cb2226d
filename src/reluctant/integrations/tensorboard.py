"""Scalars of each sample into TensorBoard."""

from typing import TYPE_CHECKING

from reluctant.monitor import OnSample

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def into(writer: "SummaryWriter", prefix: str = "reluctant") -> OnSample:
    """An `on_sample` that writes scalars as `prefix/name`, at the step that was sampled.

        with SummaryWriter() as writer, reluctant.watch(model, on_sample=into(writer)):
            train(model)

    Close the watch before the writer: the last sample is told of when the watch is closed.
    """

    def write(step: int, scalars: dict[str, float]) -> None:
        for name, value in scalars.items():
            writer.add_scalar(f"{prefix}/{name}", value, step)

    return write
