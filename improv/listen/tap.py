"""The beat as the human taps it."""

from itertools import combinations, pairwise
from math import inf
from statistics import median

SLOWEST, FASTEST = 20.0, 300.0  # beats a minute
# Taps after a longer pause (seconds) start anew; where the beats themselves are slow, after this many beats.
PAUSE_S, PAUSE_BEATS = 2.0, 1.6

_LONGEST_S, _SHORTEST_S = 60 / SLOWEST, 60 / FASTEST
# A pad that bounces taps again this soon (seconds).
_BOUNCE_S = 0.12
# As many taps tell the tempo; older ones would only hold it back.
_TAPS = 9
# Two steps in a row that differ from the beat by this factor, and from each other by less, are a new tempo.
_OTHER, _SAME = 1.2, 1.15


class TapTempo:
    """Turns taps into a beat: from the second tap on, smoothed over the last ones.

    A tap left out, one too many, or one far off moves the beat little: Theil and Sen's line through the taps.
    """

    def __init__(self) -> None:
        self._taps: list[float] = []
        self._period: float | None = None
        self._last: float | None = None

    @property
    def period(self) -> float | None:
        """Seconds a beat, within 20 to 300 beats a minute; None until there are two taps."""
        return self._period

    @property
    def last(self) -> float | None:
        """Where the beat of the last tap lies (seconds): near the tap, but smoothed. None before the first."""
        return self._last

    def tap(self, at: float) -> None:
        """Take a tap at `at` (seconds). Taps come in order of time; one too near the one before is a bounce."""
        if self._taps and at - self._taps[-1] < _BOUNCE_S:
            return
        if self._taps and at - self._taps[-1] > self._pause:
            self._taps.clear()
        self._taps = [*self._taps[1 - _TAPS :], at]
        self._forget_the_tempo_before()
        self._fit()

    @property
    def _pause(self) -> float:
        """How long a pause ends the taps (seconds). The first step may be as slow as the slowest beat."""
        return _LONGEST_S * 1.05 if self._period is None else max(PAUSE_S, PAUSE_BEATS * self._period)

    def _forget_the_tempo_before(self) -> None:
        if self._period is None or len(self._taps) < 4:
            return
        first, second = (after - before for before, after in pairwise(self._taps[-3:]))
        if max(first, second) < _SAME * min(first, second) and _ratio((first + second) / 2, self._period) > _OTHER:
            self._taps = self._taps[-3:]

    def _fit(self) -> None:
        if len(self._taps) < 2:
            self._period, self._last = None, self._taps[-1]
            return
        usual = median(after - before for before, after in pairwise(self._taps))
        beats = [0]
        for before, after in pairwise(self._taps):
            beats.append(beats[-1] + round((after - before) / usual))
        placed = list(zip(beats, self._taps, strict=True))
        slope = median(
            (at - to) / (beat - other) for (beat, at), (other, to) in combinations(placed, 2) if beat != other
        )
        self._last = median(at + (beats[-1] - beat) * slope for beat, at in placed)
        self._period = min(max(slope, _SHORTEST_S), _LONGEST_S)


def _ratio(one: float, other: float) -> float:
    return max(one / other, other / one) if other else inf
