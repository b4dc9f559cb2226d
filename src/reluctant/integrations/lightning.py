"""A callback for Lightning's `Trainer`, from `lightning` or `pytorch_lightning`."""

import sys
from typing import TYPE_CHECKING, Any

from reluctant.integrations.fit import Fit

if TYPE_CHECKING or (
    # Both may be there, and are two packages to python: the one that is in use is taken.
    "lightning.pytorch" in sys.modules or "pytorch_lightning" not in sys.modules
):
    try:
        from lightning.pytorch import Callback
    except ModuleNotFoundError:
        try:
            from pytorch_lightning import Callback
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "reluctant.integrations.lightning needs Lightning; "
                "`pip install 'reluctant[lightning]'` installs it.",
                name="lightning",
            ) from None
else:
    from pytorch_lightning import Callback


class ReluctantCallback(Fit, Callback):
    """Watches what a `Trainer` fits: `Trainer(callbacks=[ReluctantCallback()])`.

    It watches from after the sanity check, and leaves nothing in checkpoints. Arguments, `path`
    and `diagnose` are those of `Fit`.
    """

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        self._begin(pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Close the record, and say how the units fared."""
        self._end(says=trainer.is_global_zero)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The same where the fit failed or was interrupted."""
        self._end(says=trainer.is_global_zero, error=exception)
