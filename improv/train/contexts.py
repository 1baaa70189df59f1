"""What an n-gram foresees each part of a note from: its chains of contexts, and the features that they are made of."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from improv.events import PITCHES
from improv.predict.bins import DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN
from improv.train.foreseen import CHORD_CELLS
from improv.train.passages import Indices, Passages

# More notes than these in a chord are counted as these.
_MANY = 12
_UNKNOWN = -1


class Features:
    """What contexts are made of, for each note of some passages (n). Negative where they do not go so far."""

    def __init__(self, passages: Passages) -> None:
        bins = passages.bins.astype(np.int64)
        self.places = passages.places
        self.step, self.pitch, self.velocity, self.duration = (
            bins[:, column] for column in (STEP_BIN, PITCH_BIN, VELOCITY_BIN, DURATION_BIN)
        )
        self.nothing = np.zeros(len(bins), np.int64)
        self.chord = ((self.step < CHORD_CELLS) & (self.places > 0)).astype(np.int64)
        # Chords, of one note or more: which is each note's, and where each begins.
        self._chords = np.cumsum(self.chord == 0) - 1
        self._begins = np.flatnonzero(self.chord == 0)
        first = np.flatnonzero(self.places[self._begins] == 0)
        self._numbers = np.arange(len(self._begins)) - np.repeat(first, np.diff(first, append=len(self._begins)))
        # The first step of a passage leads from nowhere.
        self._known_step = np.where(self.places == 0, _UNKNOWN, self.step)

    def back(self, values: Indices, count: int) -> Indices:
        """Return what `values` (n) were so many notes before."""
        earlier = np.full(len(values), _UNKNOWN, np.int64)
        earlier[count:] = values[: len(values) - count]
        return np.where(self.places < count, _UNKNOWN, earlier)

    def steps(self, count: int) -> Indices:
        """Return the step so many notes before."""
        return self.back(self._known_step, count)

    def interval(self, count: int) -> Indices:
        """Return the interval that led to the note so many notes before."""
        to, start = self.back(self.pitch, count), self.back(self.pitch, count + 1)
        return np.where(start < 0, _UNKNOWN, to - start + PITCHES)

    @cached_property
    def in_chord(self) -> Indices:
        """How many notes the last note's chord has so far."""
        return self.back(np.minimum(np.arange(len(self.step)) - self._begins[self._chords] + 1, _MANY), 1)

    @cached_property
    def in_own_chord(self) -> Indices:
        """How many notes the note's own chord has before it; 0 where it begins one."""
        return np.where(self.chord == 1, self.in_chord, 0)

    @cached_property
    def sizes(self) -> Indices:
        """The notes of each chord."""
        return np.minimum(np.diff(self._begins, append=len(self.step)), _MANY)

    @cached_property
    def leads(self) -> Indices:
        """The step to each chord."""
        return self._known_step[self._begins]

    @cached_property
    def lowest(self) -> Indices:
        """The lowest pitch of each chord."""
        return np.asarray(np.minimum.reduceat(self.pitch, self._begins), np.int64)

    @cached_property
    def highest(self) -> Indices:
        """The highest pitch of each chord."""
        return np.asarray(np.maximum.reduceat(self.pitch, self._begins), np.int64)

    def before_last(self, values: Indices, count: int) -> Indices:
        """Return what `values` (of chords) are so many chords before the last note's."""
        last = np.append(0, self._chords[:-1])
        found = np.where(self._numbers[last] < count, _UNKNOWN, values[np.maximum(last - count, 0)])
        return np.where(self.places < 1, _UNKNOWN, found)

    def before_own(self, values: Indices, count: int) -> Indices:
        """Return what `values` (of chords) are so many chords before the note's own."""
        own = self._chords
        return np.where(self._numbers[own] < count, _UNKNOWN, values[np.maximum(own - count, 0)])

    def above_last(self, pitches: Indices) -> Indices:
        """Return `pitches` (n) as intervals from the last note's."""
        last = self.back(self.pitch, 1)
        return np.where((pitches < 0) | (last < 0), _UNKNOWN, pitches - last + PITCHES)


Contexts = Callable[[Features], list[Indices]]

# The chains of each part: of what their contexts are made, the most telling first.
CHAINS: dict[str, list[Contexts]] = {
    "step": [
        lambda f: [f.nothing, *(f.steps(back) for back in range(1, 9))],
        lambda f: [
            f.nothing,
            f.in_chord,
            f.before_last(f.leads, 0),
            *(f.before_last(values, back) for back in (1, 2, 3) for values in (f.sizes, f.leads)),
        ],
        lambda f: [f.nothing, f.steps(1), f.back(f.duration, 1), f.steps(2), f.back(f.duration, 2)],
        lambda f: [
            f.nothing,
            f.in_chord,
            f.back(f.duration, 1),
            f.before_last(f.leads, 0),
            f.before_last(f.sizes, 1),
            f.before_last(f.leads, 1),
        ],
    ],
    "pitch": [
        lambda f: [
            f.nothing,
            f.chord,
            f.back(f.pitch, 1),
            f.back(f.pitch, 2),
            f.back(f.chord, 1),
            *(f.back(f.pitch, back) for back in range(3, 7)),
        ],
        lambda f: [
            f.nothing,
            f.chord,
            f.before_own(f.lowest, 1),
            f.in_own_chord,
            f.before_own(f.highest, 1),
            f.back(f.pitch, 1),
            f.before_own(f.lowest, 2),
        ],
    ],
    "velocity": [
        lambda f: [f.nothing, f.back(f.velocity, 1), f.chord, f.back(f.velocity, 2), f.back(f.velocity, 3)],
        lambda f: [f.nothing, f.back(f.velocity, 1), f.chord, f.pitch, f.back(f.pitch, 1)],
        lambda f: [
            f.nothing,
            f.back(f.velocity, 1),
            f.chord,
            f.pitch // 4,
            f.back(f.pitch, 1) // 4,
            f.back(f.velocity, 2),
        ],
    ],
    "duration": [
        lambda f: [
            f.nothing,
            f.chord,
            f.back(f.duration, 1),
            f.step,
            f.back(f.duration, 2),
            f.steps(1),
            f.back(f.duration, 3),
        ],
        lambda f: [f.nothing, f.step, f.pitch, f.back(f.duration, 1), f.back(f.pitch, 1)],
        lambda f: [f.nothing, np.minimum(f.step, 30), *(f.back(f.duration, back) for back in range(1, 5))],
        lambda f: [
            f.nothing,
            f.step,
            f.in_chord,
            f.back(f.duration, 1),
            f.before_last(f.leads, 0),
            f.above_last(f.pitch),
        ],
    ],
}
# Those of the pitch as the interval from the last.
RELATIVE: list[Contexts] = [
    lambda f: [
        f.nothing,
        f.chord,
        f.interval(1),
        f.back(f.chord, 1),
        *(f.interval(back) for back in range(2, 8)),
    ],
    lambda f: [
        f.nothing,
        f.chord,
        f.in_own_chord,
        f.above_last(f.before_own(f.highest, 1)),
        f.above_last(f.before_own(f.lowest, 1)),
        f.interval(1),
        f.above_last(f.before_own(f.highest, 2)),
        f.above_last(f.before_own(f.lowest, 2)),
    ],
]
