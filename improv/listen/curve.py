"""The curve through evenly counted moments: a line or a parabola, over the longest window that still holds.

Lepski's choice of a bandwidth: a steady train is averaged over hundreds of pulses, a ramp is followed over fewer.
A parabola of the count over time is exact for a tempo that changes evenly.
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[np.float64]

# Windows (pulses) and the degree fitted, from the steadiest to the quickest to follow.
_WINDOWS = (
    *((384, 1), (192, 1), (192, 2), (144, 2), (108, 2), (72, 2), (48, 2)),
    *((24, 1), (36, 2), (12, 1), (24, 2)),
)
KEPT = _WINDOWS[0][0]
# The means of so many of the newest pulses may be off by so many standard errors.
_NEWEST = np.array([3, 6, 12, 24, 48])
_AGREES = 3.0


@dataclass(frozen=True, slots=True)
class Curve:
    """Count of pulses over time: `count` at `at` (seconds), `rate` a second, `bend` a second squared."""

    at: float
    count: float
    rate: float
    bend: float = 0.0

    def value(self, at: float) -> float:
        """Return the count at a moment (seconds)."""
        after = at - self.at
        return self.count + after * (self.rate + self.bend * after)

    def late(self, at: float, count: float) -> float:
        """Return by how many seconds `count` at the moment `at` is late."""
        return at - self.at - (self.seconds(count - self.count) if count != self.count else 0.0)

    def seconds(self, counts: float) -> float:
        """Return how long (seconds) after `at` the train has gone on by `counts`."""
        root = self.rate**2 + 4 * self.bend * counts
        # A parabola turns back somewhere; a train does not.
        return 2 * counts / (self.rate + sqrt(max(root, self.rate**2 / 4)))


def fitted(times: list[float], counts: list[int], scatter: float) -> Curve | None:
    """Return the curve over the first of `_WINDOWS` that agrees with the newest pulses, or else the one nearest to it.

    `scatter`: of the pulses, in seconds. None where they all come at one moment.
    """
    at, last = times[-1], counts[-1]
    time = np.array(times[::-1]) - at
    count = np.array(counts[::-1], float) - last
    sums = _Sums(time, count)
    curve, least = (0.0, 0.0, 0.0), inf
    # Of fewer pulses than the longest window all are the first to be tried.
    windows = [(len(times), 1), *(window for window in _WINDOWS if window[0] < len(times))]
    for size, degree in windows:
        place, rate, bend = sums.line(size) if degree == 1 else sums.parabola(size)
        if rate <= 0:
            continue
        newest = min(size, int(_NEWEST[-1]))
        part = time[:newest]
        off = np.cumsum(count[:newest] - (place + part * (rate + bend * part)))
        sizes = _NEWEST[size >= 2 * _NEWEST]
        wrong = float((np.abs(off[sizes - 1]) / np.sqrt(sizes)).max(initial=0.0)) / (rate * scatter)
        if wrong < least:
            curve, least = (place, rate, bend), wrong
        if wrong <= _AGREES:
            break
    place, rate, bend = curve
    return Curve(at, last + place, rate, bend) if rate > 0 else None


class _Sums:
    """Least squares over the newest pulses, from running sums: any window costs the same."""

    def __init__(self, time: _Array, count: _Array) -> None:
        squares = time * time
        columns = (time, squares, squares * time, squares * squares, count, time * count, squares * count)
        self._sums = np.cumsum(np.stack(columns), axis=1)

    def line(self, size: int) -> tuple[float, float, float]:
        """Return place and rate now, and 0, of the line through the newest `size` pulses."""
        t, tt, _, _, k, tk, _ = self._sums[:, size - 1].tolist()
        spread = size * tt - t * t
        if spread <= 0:
            return 0.0, 0.0, 0.0
        rate = (size * tk - t * k) / spread
        return (k - rate * t) / size, rate, 0.0

    def parabola(self, size: int) -> tuple[float, float, float]:
        """Return place, rate and bend now of the parabola through the newest `size` pulses."""
        t, tt, ttt, tttt, k, tk, ttk = self._sums[:, size - 1].tolist()
        # Moments about the mean, so that the numbers stay of one size.
        a, b = tt - t * t / size, ttt - t * tt / size
        c = tttt - tt * tt / size
        d, e = tk - t * k / size, ttk - tt * k / size
        spread = a * c - b * b
        if spread <= 0:
            return 0.0, 0.0, 0.0
        bend = (a * e - b * d) / spread
        rate = (d - b * bend) / a
        return (k - rate * t - bend * tt) / size, rate, bend
