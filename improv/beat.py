"""The beat as a value: which beat falls when.

Standard library only: the ports process imports this module. A beat is a quarter note; beat 0 is the song's first.
"""

from dataclasses import dataclass, replace
from math import ceil

# A moment this little after a beat (beats) is on it: rounding must not cost a whole beat.
_TOUCH = 1e-6


@dataclass(frozen=True, slots=True)
class Grid:
    """Beat `beat` falls at `at` (seconds), the others every `period` seconds; bars of `bar` beats begin at beat 0."""

    at: float
    beat: float
    period: float
    bar: int = 4

    @property
    def bpm(self) -> float:
        """Beats a minute."""
        return 60 / self.period

    def beat_at(self, at: float) -> float:
        """Return the place in beats of a moment (seconds). The inverse of `time_at`."""
        return self.beat + (at - self.at) / self.period

    def time_at(self, beat: float) -> float:
        """Return the moment (seconds) of a place in beats."""
        return self.at + (beat - self.beat) * self.period

    def next(self, at: float, every: float = 1.0) -> float:
        """Return the first multiple of `every` beats at or after the moment `at` (seconds), in beats."""
        return float(ceil(self.beat_at(at) / every - _TOUCH) * every)

    def counted_as(self, other: "Grid") -> "Grid":
        """Return this grid, its beats numbered as `other` does at its `at`: a song that loops moves no beat."""
        return replace(self, beat=self.beat + round(other.beat - self.beat_at(other.at)))

    def moves(self, at: float, other: "Grid") -> float:
        """Return when in `other`, the beat of now, the place in beats of a moment (seconds) in this one falls."""
        return other.time_at(self.counted_as(other).beat_at(at))
