"""The beat that the human plays in, heard from when notes begin; none where the playing is free."""

from dataclasses import replace
from math import exp, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

from improv.beat import Grid

FloatArray = NDArray[np.float32]

SLOWEST, FASTEST = 50.0, 210.0  # beats a minute
# Onsets nearer than this (seconds) are one: a chord.
CHORD_S = 0.04
# After so long a silence (seconds) no beat is claimed, and what comes then is heard afresh.
SILENCE_S = 6.5

# The states: periods from slow to fast, and phases of a beat. Thirds and quarters of a beat fall on a phase.
_ROWS, _PHASES = 96, 72
_PER_ROW = log(FASTEST / SLOWEST) / (_ROWS - 1)
_BPM = SLOWEST * np.exp(_PER_ROW * np.arange(_ROWS))
_PER_SECOND = _BPM / 60
_PHASE = np.arange(_PHASES) / _PHASES
# Where the second of two copies of each row begins, in a flat array of such pairs, and its phases after it.
_PLACE_STARTS = 2 * _PHASES * np.arange(_ROWS)[:, np.newaxis] + _PHASES + np.arange(_PHASES)

_OCTAVE = round(log(2) / _PER_ROW)
# So far around a state the others mean the same beat.
_ROW_REACH, _PHASE_REACH = 3, 8
_NEAR = np.arange(-_PHASE_REACH, _PHASE_REACH + 1)

# How likely a tempo is before anything is heard: log-normal.
_USUAL_BPM, _USUAL_SPREAD = 110.0, 0.40
# Where in a beat notes begin, and which share of them there, the rest anywhere: of onsets with as few notes as usual,
# with more, and with many. Chords are on the beat: in 58 songs of POP909, those of four notes and more are for 83 %.
_PLACES = (0.0, 1 / 2, 1 / 4, 3 / 4, 1 / 3, 2 / 3)
_SHARES = (
    (0.34, 0.25, 0.07, 0.08, 0.02, 0.07),
    (0.42, 0.27, 0.05, 0.06, 0.02, 0.05),
    (0.62, 0.18, 0.02, 0.03, 0.01, 0.02),
)
# The same where eighths are swung: so often, and so uneven (beats).
_SWUNG_SHARES = (
    (0.46, 0.02, 0.01, 0.01, 0.05, 0.33),
    (0.50, 0.02, 0.01, 0.01, 0.04, 0.30),
    (0.66, 0.02, 0.01, 0.01, 0.02, 0.18),
)
_SWUNG, _SWING_WIDTH = 0.2, 0.03
# Onsets with so many times as many notes as usual are the second and the third of these; so fast follows what is usual.
_MORE, _MANY, _SIZES = 1.25, 2.0, 0.1
# Standard deviation of an onset around its place (seconds).
_JITTER_S = 0.022
# An onset follows from those around it, and says less than its likelihood: its logarithm counts for this much.
_WEIGHT = 0.6
# How much the tempo wanders in a second: standard deviation of its logarithm. In a silence it does for so long only.
_WANDER, _WANDERS_S = 0.008, 2.0
# At each onset the playing turns free, or finds a beat anew, with this probability.
_TURNS = 0.01
# What each onset says of the tempo alone, as a logarithm: for each unit of the tempo's own logarithm, since slow beats
# have places for anything, and for each squared spread from the usual tempo, since halves and doubles fit as well.
_FASTER, _UNUSUAL = 0.45, -0.02
# A beat is named when it is this probable, and stays while it is still this probable, and free playing not this much:
# after a silence it is uncertain where the beat has got to, but not that there is one.
_NAMED, _KEPT, _FREE = 0.93, 0.5, 0.08
# States less probable than this in all have no mean.
_LEAST = 1e-9
# Another beat takes the place of a named one when it is so many times as probable.
_INSTEAD = 3.0


def _likely(straight: tuple[float, ...], swung: tuple[float, ...]) -> FloatArray:
    """Return how likely an onset is in each state, where it is 1 in free playing: (2, rows, phases)."""
    return np.stack([_places(straight, 0.0), _places(swung, _SWING_WIDTH)])


def _places(shares: tuple[float, ...], between: float) -> FloatArray:
    """Return the same of one feel: (rows, phases). `between`: how uneven, in beats, what is not on the beat is."""
    likely = np.full((_ROWS, _PHASES), 1 - sum(shares))
    for place, share in zip(_PLACES, shares, strict=True):
        even = np.maximum(_JITTER_S * _PER_SECOND, 0.5 / _PHASES)
        width = np.sqrt(even**2 + (between if place else 0.0) ** 2)[:, np.newaxis]
        off = np.mod(_PHASE - place + 0.5, 1) - 0.5
        likely += share * np.exp(-0.5 * (off / width) ** 2) / (width * sqrt(2 * pi))
    usual = np.log(_BPM / _USUAL_BPM)[:, np.newaxis]
    logs = np.log(likely) + _FASTER * usual + _UNUSUAL * (usual / _USUAL_SPREAD) ** 2
    return np.asarray(np.exp(_WEIGHT * logs), np.float32)


def _usual() -> FloatArray:
    """Return how probable each state is before anything is heard, summing to 1: (2, rows, phases)."""
    rows = np.exp(-0.5 * (np.log(_BPM / _USUAL_BPM) / _USUAL_SPREAD) ** 2)
    states = np.repeat(rows[:, np.newaxis] / (rows.sum() * _PHASES), _PHASES, axis=1)
    return np.stack([(1 - _SWUNG) * states, _SWUNG * states]).astype(np.float32)


_LIKELY, _USUAL = tuple(map(_likely, _SHARES, _SWUNG_SHARES)), _usual()


class TempoListener:
    """Hears when notes begin, and knows the beat once they tell.

    It weighs all tempi and phases, and free playing beside them, by Bayes' rule: a hidden Markov model whose state is
    the place in the beat and the tempo, which wanders (N. Whiteley, A. T. Cemgil and S. Godsill, "Bayesian modelling
    of temporal structure in musical audio", ISMIR 2006), with onsets in place of audio. `bar`: beats in a bar, which
    are told and not heard; it may be changed.
    """

    def __init__(self, bar: int = 4) -> None:
        self.bar = bar
        self._forget()

    def _forget(self) -> None:
        """Know nothing."""
        # How probable each state is, (2, rows, phases), and the same of both feels: they and `_free` sum to 1.
        self._shares = _USUAL / 2
        self._beats = self._shares.sum(axis=0)
        self._free = 0.5
        self._at: float | None = None
        self._first = 0.0
        # The onset that waits for more notes (seconds), and how many it has.
        self._chord: float | None = None
        self._size = 0
        self._usual_size = 1.0
        self._named = False
        self._confidence = 0.0
        self._grid: Grid | None = None

    def onset(self, at: float) -> None:
        """Hear a note begin at `at` (seconds). Onsets come in order of time."""
        if self._chord is not None and at - self._chord < CHORD_S:
            self._size += 1
            return
        self._settle()
        if self._at is not None and at - self._at > SILENCE_S:
            self._forget()
        self._chord, self._size = at, 1

    def grid(self, now: float) -> Grid | None:
        """Return the beat at `now` (seconds); None while the playing is free, or long after it has ended."""
        if self._chord is not None and now - self._chord >= CHORD_S:
            self._settle()
        last = self._chord if self._chord is not None else self._at
        if last is None or now - last > SILENCE_S or not self._named or self._grid is None:
            return None
        return replace(self._grid, bar=self.bar)

    @property
    def confidence(self) -> float:
        """How probable the named beat is, 0 to 1; 0 where there is none."""
        return self._confidence if self._named else 0.0

    def _settle(self) -> None:
        """Weigh the onset that waited for others to join it."""
        if self._chord is None:
            return
        at, self._chord = self._chord, None
        if self._at is None:
            self._first = at
        else:
            self._move(at - self._at)
        self._at = at
        self._weigh()
        self._name(at)

    def _move(self, seconds: float) -> None:
        """Let time go by: phases go on, tempi wander."""
        phases = _PER_SECOND * seconds % 1 * _PHASES
        whole = phases.astype(np.intp)[:, np.newaxis]
        # A row of states is taken from twice itself, from where it wraps around.
        places = _PLACE_STARTS - whole
        twice = np.concatenate((self._shares, self._shares), axis=2).reshape(2, -1)
        moved = twice.take(places, axis=1)
        between = (phases[:, np.newaxis] - whole).astype(np.float32)
        before = twice.take(places - 1, axis=1)
        before -= moved
        before *= between
        moved += before
        wander = 0.5 * min(seconds, _WANDERS_S) * (_WANDER / _PER_ROW) ** 2
        mixed = moved * (1 - 2 * wander)
        mixed[:, 1:] += wander * moved[:, :-1]
        mixed[:, :-1] += wander * moved[:, 1:]
        mixed[:, 0] += wander * moved[:, 0]
        mixed[:, -1] += wander * moved[:, -1]
        self._shares = mixed

    def _weigh(self) -> None:
        """Take the onset as evidence."""
        shares, free = self._shares, self._free
        beat = 1 - free
        shares = shares * (1 - _TURNS)
        shares += (_TURNS * free) * _USUAL
        free = free * (1 - _TURNS) + _TURNS * beat
        more = self._size / self._usual_size
        self._usual_size += _SIZES * (self._size - self._usual_size)
        shares *= _LIKELY[(more >= _MORE) + (more >= _MANY)]
        whole = float(shares.sum()) + free
        shares *= 1 / whole
        self._shares, self._free = shares, free / whole
        self._beats = shares[0] + shares[1]

    def _name(self, at: float) -> None:
        """Take the likeliest beat, or stay with the one that was named."""
        row, phase = divmod(int(self._beats.argmax()), _PHASES)
        near = self._near(at)
        if near is not None and self._mass(*near) * _INSTEAD > self._mass(row, phase):
            row, phase = near
        self._confidence = self._agreed(row, phase)
        kept = self._named and self._free < _FREE and self._confidence > _KEPT
        self._named = kept or self._confidence > _NAMED
        if self._named or self._grid is not None:
            self._place(at, row, phase)

    def _agreed(self, row: int, phase: int) -> float:
        """Return how probable this beat is, or one in whose beats, halves and doubles its own lie."""
        half = _PHASES // 2
        states = [
            (row, phase),
            (row, phase + half),
            (row + _OCTAVE, 2 * phase),
            (row + _OCTAVE, 2 * phase + half),
            (row - _OCTAVE, phase // 2),
            (row - _OCTAVE, phase // 2 + half),
        ]
        return sum(self._mass(*state) for state in states if -_ROW_REACH <= state[0] < _ROWS + _ROW_REACH)

    def _near(self, at: float) -> tuple[int, int] | None:
        """Return the likeliest state near the beat as it was."""
        if self._grid is None:
            return None
        row = round(log(self._grid.bpm / SLOWEST) / _PER_ROW)
        phase = round(self._grid.beat_at(at) * _PHASES) % _PHASES
        around, first = self._around(row, phase)
        here, there = divmod(int(around.argmax()), around.shape[1])
        return first + here, (phase + there - _PHASE_REACH) % _PHASES

    def _around(self, row: int, phase: int) -> tuple[FloatArray, int]:
        """Return the states near one, phases across the beat too, and the first of their rows."""
        first = max(0, row - _ROW_REACH)
        return self._beats[first : row + _ROW_REACH + 1].take((phase + _NEAR) % _PHASES, axis=1), first

    def _mass(self, row: int, phase: int) -> float:
        """Return how probable this beat is, small differences aside."""
        return float(self._around(row, phase)[0].sum())

    def _place(self, at: float, row: int, phase: int) -> None:
        """Put the beat at the mean of the states around this one, and count on."""
        around, first = self._around(row, phase)
        rows, phases = around.sum(axis=1), around.sum(axis=0)
        whole = float(rows.sum())
        if whole < _LEAST:
            return
        period = 60 / (SLOWEST * exp(_PER_ROW * (first + float(rows @ np.arange(len(rows))) / whole)))
        part = (phase + float(phases @ _NEAR) / whole) / _PHASES
        # Players begin on a beat, and mostly on the first of a bar: beat 0 is the one nearest the first onset.
        beat = (at - self._first) / period if self._grid is None else self._grid.beat_at(at)
        self._grid = Grid(at, round(beat - part) + part, period, self.bar)
