"""What keeps a diagnosis from saying more, in sentences with a way out."""

from collections.abc import Iterator, Sequence

from reluctant.record.run import Run
from reluctant.words import plural

NOT_ENDED = "The run has not ended, or was killed: this is what was recorded until then."


def limits(run: Run) -> tuple[str, ...]:
    """Why this record tells less than a record might; empty when it tells all there is."""
    return tuple(_limits(run))


def too_few(run: Run, unasked: Sequence[str]) -> Iterator[str]:
    """What was not looked for, there being too few samples."""
    if not run.samples or not unasked:
        return
    count, steps = len(run.samples), run.info.steps
    if steps is not None and steps > count:
        seen = f"Of {steps:,} steps {count:,} {'was' if count == 1 else 'were'} observed"
        way_out = "--budget 0.05, or --every N, looks more often"
    else:
        seen = f"Only {plural(count, 'step')} {'was' if count == 1 else 'were'} observed"
        way_out = "let it train longer"
    yield f"{seen}, too few to look for {', '.join(unasked)}: {way_out}."


def _limits(run: Run) -> Iterator[str]:
    info = run.info
    if info.failure is not None:
        yield f"Observation was given up, while the script went on: {info.failure}"
    ended = info.exit_code is not None
    if not run.samples:
        if ended and info.torch is None:
            yield "The script never imported torch, so there was nothing to observe."
        elif ended and not info.steps and info.model is not None:
            yield (
                f"No optimizer trained the model that was watched ({info.model}), so no step was "
                "seen. Watch the model whose parameters the optimizer has, until it has stepped."
            )
        elif ended and not info.steps:
            yield (
                "The script called neither an optimizer nor backward(), so no step was seen. Units "
                "are judged by how they learn: run a script that trains."
            )
        elif info.failure is None:
            yield (
                "No step was recorded: the run ended before its first optimizer step, or has not "
                "come to it."
            )
        return
    if not run.samples[-1].optimizers:
        yield "No optimizer stepped, so each call of backward() counts as a step."
    if info.skipped:
        yield (
            f"The gradient scaler left out {info.skipped:,} of {info.steps:,} steps, because "
            "gradients overflowed."
        )
    if info.captured:
        yield (
            f"{plural(info.captured, 'step')} {'was' if info.captured == 1 else 'were'} captured "
            "in a CUDA graph, and what its replays train was not observed: run the script once "
            "without the graph to have it seen."
        )
    thinned = [layer for layer in run.layers if layer.stride > 1]
    if thinned:
        yield (
            f"The network is very large: of {len(thinned)} of {len(run.layers)} layers only every "
            f"{max(layer.stride for layer in thinned)}th unit or more was read."
        )
    if not run.sites:
        yield (
            "No activation function was seen in training, so dead units cannot be found; weights "
            "and gradients were observed. Functions are seen when called through torch, in grad "
            "mode, as modules, functions or methods."
        )
    if not ended:
        yield NOT_ENDED
