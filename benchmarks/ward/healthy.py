"""The healthy: scripts that learn, with all that looks like an illness and is none."""

from benchmarks.ward.case import Case

HEALTHY: tuple[Case, ...] = ()
