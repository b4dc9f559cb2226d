"""Which steps are observed: dense at first, then as sparse as the budget demands."""

# Observation may cost this much in all before the budget binds: about one per cent of half a
# minute. The start of a run is where units are born dead and where rates that are too high kill,
# and a run shorter than that is over before its cost is felt.
GRACE_SECONDS = 0.25

# Steps at the start that are observed one by one while the grace lasts.
DENSE_STEPS = 32


class Schedule:
    """Decides after each step whether the next one is observed.

    Args:
        budget: share of the run's wall time that observation may take.
        every: observe every so many steps instead, whatever it costs.
    """

    def __init__(self, budget: float = 0.01, every: int | None = None) -> None:
        self.budget = budget
        self.every = every
        self.spent = 0.0
        self._last = 0
        self._cost = 0.0

    def paid(self, step: int, seconds: float) -> None:
        """Account for the observation of `step`, which took `seconds`."""
        self.spent += seconds
        self._last = step
        # The next one is expected to cost as much as the dearer of the last two or so: the
        # first includes what is done only once.
        self._cost = max(seconds, self._cost / 2)

    def due(self, step: int, elapsed: float) -> bool:
        """Whether `step` is to be observed, `elapsed` seconds into the run."""
        if self.every is not None:
            return step % self.every == 0
        expected = self.spent + self._cost
        if expected <= GRACE_SECONDS:
            # 0, 1, 2, ... 31, then 32, 36, 40, 45, ...: an eighth further on each time, so that
            # the samples keep pace with the run and never fall into step with its cycles.
            return step < DENSE_STEPS or step >= self._last + max(1, self._last // 8)
        # After the start, where few samples can be afforded, still each power of two: what
        # happens at step 4 matters as much as what happens at step 4,000.
        if step < DENSE_STEPS and step & (step - 1) == 0:
            return expected <= 2 * GRACE_SECONDS or expected <= self.budget * elapsed
        return expected <= self.budget * elapsed
