"""Which steps are observed: dense at first, then as sparse as the budget demands."""

from math import inf

# Observation may cost this much in all before the budget binds: with the fixed cost about one per
# cent of half a minute. The start of a run is where units are born dead and where rates that are
# too high kill, and a run shorter than that is over before its cost is felt.
GRACE_SECONDS = 0.15

# Until then each sample is this share of the steps, 1 / 4, after the last.
APART_STEPS = 4

# Where few samples can be afforded, those at powers of two may still cost so much.
START_SECONDS = 0.5

# Loading us and giving the verdict takes about so long; the budget pays for that too.
FIXED_SECONDS = 0.2

# Being told of a step costs about so much, with what it displaces from the caches. The budget pays
# for that up to its half, or where steps are short nothing would be left for samples.
STEP_SECONDS = 2e-6

# Steps at the start that are observed one by one while the first half of the grace lasts.
DENSE_STEPS = 32

# Later samples are at least this share of the steps so far apart: their number, and with it the
# record's size, grows with the logarithm of the run's length.
APART = 1 / 256

# However far off the next sample is, after so many steps the time is looked at: to do so at every
# step would cost one of half a millisecond two per cent.
LONGEST_SLEEP = 128

# Samples are delayed by a share of their distance that differs each time (the multiples of the
# golden ratio, modulo one), so that they do not fall into step with a cycle of the script's own.
_GOLDEN = 0.6180339887498949


class Schedule:
    """Decides after each step whether the next one is observed.

    Args:
        budget: share of the run's wall time that observation may take.
        every: observe every so many steps instead, whatever it costs.
        grace: seconds that observation may cost before the budget binds.
        apart: while it does not, each sample is a share of 1 / `apart` of the steps after the last.
    """

    def __init__(
        self,
        budget: float = 0.01,
        every: int | None = None,
        grace: float = GRACE_SECONDS,
        apart: int = APART_STEPS,
    ) -> None:
        self.budget = budget
        self._grace = grace
        self._apart = apart
        self.every = every
        self.spent = 0.0
        self._last = 0
        self._cost = 0.0
        self._samples = 0
        self._origin = 0
        self._forgiven = 0.0

    def anew(self, step: int) -> None:
        """Observe as closely from this step on as from the first, and with as much grace."""
        self._origin = self._last = step
        self._forgiven = self.spent

    def paid(self, step: int, seconds: float) -> None:
        """Account for the observation of `step`, which took `seconds`."""
        self.spent += seconds
        # The next one is expected to cost as much as the dearer of the last two or so; the first
        # includes what is done only once.
        self._cost = max(seconds, self._cost / 2) if self._samples else seconds / 2
        self._samples += 1
        self._last = step

    def _expected(self) -> float:
        """What observation will have cost after one more sample, drawn out a little."""
        return self.spent + self._cost * (1 + self._samples * _GOLDEN % 1)

    def _left(self, step: int, elapsed: float) -> float:
        """What the budget leaves for samples after `step` steps and `elapsed` seconds."""
        whole = self.budget * elapsed
        return whole - FIXED_SECONDS - min(STEP_SECONDS * step, whole / 2)

    def due(self, step: int, elapsed: float) -> bool:
        """Whether `step` is to be observed, `elapsed` seconds into the run."""
        if self.every is not None:
            return step % self.every == 0
        expected = self._expected()
        if expected <= self._left(step, elapsed):
            return step - self._last >= APART * step
        last, step = self._last - self._origin, step - self._origin
        expected -= self._forgiven
        if expected <= self._grace / 2 and step < DENSE_STEPS:
            return True
        further = step >= last + max(2, last // self._apart)
        if expected <= self._grace and further:
            # A share further on each time: with what is left of the grace the samples keep
            # pace with the run, so that its end is seen as well as its start.
            return True
        # Where few samples can be afforded, still each power of two: what happens at step 4
        # matters as much as what happens at step 4,000.
        start = step & (step - 1) == 0 and (further or step < DENSE_STEPS)
        return start and expected <= START_SECONDS

    def sleep(self, step: int, elapsed: float, plain: float) -> int:
        """How many steps may pass before `due` is asked again, a plain one taking `plain` seconds.

        `step` is not due. Of the time that is left half is slept, so that steps which become slower
        make the next sample late by no more than LONGEST_SLEEP of them.
        """
        if self.every is not None:
            return self.every - step % self.every
        if step - self._origin < DENSE_STEPS or not plain > 0:
            return 1  # a clock that was put back tells nothing
        expected = self._expected()
        # Time brings in no more than this; what its steps cost only puts the sample off.
        missing = expected - self._left(step, elapsed)
        soonest = missing / self.budget / plain if self.budget > 0 else inf
        steps = max(self._last / (1 - APART) - step, soonest / 2)
        last, step = self._last - self._origin, step - self._origin
        expected -= self._forgiven
        if expected <= self._grace:
            steps = min(steps, last + max(2, last // self._apart) - step)
        if expected <= START_SECONDS:
            steps = min(steps, (1 << step.bit_length()) - step)
        return int(min(max(1, steps), LONGEST_SLEEP))
