"""How sure a mean is: files are drawn again and again, with replacement, for the notes of a file are much alike."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

_DRAWS = 2000
# 95 %.
_ENDS = (2.5, 97.5)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, and between what it would lie in 95 of 100 other choices of files."""

    value: float
    low: float
    high: float


def draws(files: int, seed: int) -> Numbers:
    """Return how often each of the files (>= 1) is in each of many choices of as many: (2000, files).

    The same numbers for everybody who is compared, so that differences are taken on the same files.
    """
    rng = np.random.default_rng([seed, files])
    return rng.multinomial(files, np.full(files, 1 / files), size=_DRAWS).astype(np.float64)


def spread(value: float, drawn: Numbers) -> Estimate | None:
    """Return a figure with what it was in each choice of files; None where it is not a number."""
    if not np.isfinite(value):
        return None
    return Estimate(value, *map(float, np.percentile(drawn[np.isfinite(drawn)], _ENDS)))


def ratio(sums: Numbers, counts: Numbers, chosen: Numbers) -> Estimate | None:
    """Return the mean of something of which the files have `sums` over `counts`; None where there are none."""
    if not counts.sum():
        return None
    totals = chosen @ counts
    means = np.divide(chosen @ sums, totals, out=np.full(len(totals), np.nan), where=totals > 0)
    return spread(float(sums.sum() / counts.sum()), means)


def gain(ours: Numbers, theirs: Numbers, chosen: Numbers) -> Estimate | None:
    """Return how much lower `ours` is than `theirs` (sums of each file, over the same notes), as a share of theirs."""
    gains = 1 - (chosen @ ours) / (chosen @ theirs)
    return spread(float(1 - ours.sum() / theirs.sum()), gains)


def mean(values: Numbers, chosen: Numbers) -> Estimate | None:
    """Return the mean of a figure of each file; NaN where a file has none."""
    there = np.isfinite(values)
    return ratio(np.where(there, values, 0), there.astype(np.float64), chosen)
