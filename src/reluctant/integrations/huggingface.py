"""A callback for the `Trainer` of Hugging Face's `transformers`."""

from typing import Any

from reluctant.integrations.fit import Fit

try:
    from transformers import TrainerCallback
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "reluctant.integrations.huggingface needs transformers; "
        "`pip install 'reluctant[huggingface]'` installs it.",
        name="transformers",
    ) from None


class ReluctantCallback(Fit, TrainerCallback):
    """Watches what a `Trainer` trains: `Trainer(..., callbacks=[ReluctantCallback()])`.

    Arguments, `path` and `diagnose` are those of `Fit`.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Begin to watch."""
        self._begin(more["model"])

    def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Close the record, and say how the units fared."""
        self._end(says=state.is_world_process_zero)
