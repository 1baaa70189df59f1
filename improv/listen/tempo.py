"""The beat that the human plays in, heard from when notes begin; none where the playing is free."""

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from improv.beat import Grid

FloatArray = NDArray[np.float64]

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
_ROW_STARTS = np.arange(_ROWS)[:, np.newaxis] * _PHASES

_OCTAVE = round(log(2) / _PER_ROW)
# So far around a state the others mean the same beat.
_ROW_REACH, _PHASE_REACH = 3, 8
_NEAR = np.arange(-_PHASE_REACH, _PHASE_REACH + 1)

# How likely a tempo is before anything is heard: log-normal.
_USUAL_BPM, _USUAL_SPREAD = 110.0, 0.40
# Where in a beat notes begin, and which share of them there, the rest anywhere: of as few notes as usual, of more, and of
# many. Chords are on the beat: in 58 songs of POP909, those of four notes and more 83 % of the time.
_PLACES = (0.0, 1 / 2, 1 / 4, 3 / 4, 1 / 3, 2 / 3)
_SHARES = (
    (0.34, 0.25, 0.07, 0.08, 0.02, 0.07),
    (0.42, 0.27, 0.05, 0.06, 0.02, 0.05),
    (0.62, 0.18, 0.02, 0.03, 0.01, 0.02),
)
# Onsets with so many times as many notes as usual are the second and the third of these; so fast follows what is usual.
_MORE, _MANY, _SIZES = 1.25, 2.0, 0.1
# Standard deviation of an onset around its place (seconds).
_JITTER_S = 0.022
# An onset follows from those around it, and says less than its likelihood: its logarithm counts for this much.
_WEIGHT = 0.6
# How much the tempo wanders in a second: standard deviation of its logarithm.
_WANDER = 0.008
# At each onset the playing turns free, or finds a beat anew, with this probability.
_TURNS = 0.01
_GAMMA = 0.5
_BETA = 0.02
# A beat is named when it is this probable, and no longer when less.
_NAMED, _KEPT = 0.93, 0.75
# Another beat takes the place of a named one when it is so many times as probable.
_INSTEAD = 3.0


def _likely(shares: tuple[float, ...]) -> FloatArray:
    """Return how likely an onset is in each state, where it is 1 in free playing: (rows, phases)."""
    width = np.maximum(_JITTER_S * _PER_SECOND, 0.5 / _PHASES)[:, np.newaxis]
    likely = np.full((_ROWS, _PHASES), 1 - sum(shares))
    for place, share in zip(_PLACES, shares, strict=True):
        off = np.mod(_PHASE - place + 0.5, 1) - 0.5
        likely += share * np.exp(-0.5 * (off / width) ** 2) / (width * sqrt(2 * np.pi))
    usual = np.log(_BPM / _USUAL_BPM)[:, np.newaxis]
    logs = np.log(likely) + _GAMMA * usual - _BETA * (usual / _USUAL_SPREAD) ** 2
    return np.asarray(np.exp(_WEIGHT * logs))


def _usual() -> FloatArray:
    """Return how probable each state is before anything is heard, summing to 1: (rows, phases)."""
    rows = np.exp(-0.5 * (np.log(_BPM / _USUAL_BPM) / _USUAL_SPREAD) ** 2)
    return np.repeat(rows[:, np.newaxis] / (rows.sum() * _PHASES), _PHASES, axis=1)


_LIKELY, _USUAL = tuple(_likely(shares) for shares in _SHARES), _usual()


class TempoListener:
    """Hears when notes begin, and knows the beat once they tell.

    It weighs all tempi and phases, and free playing beside them, by Bayes' rule: a hidden Markov model whose state is
    the place in the beat and the tempo, which wanders (N. Whiteley, A. T. Cemgil and S. Godsill, "Bayesian modelling
    of temporal structure in musical audio", ISMIR 2006), with onsets in place of audio. `bar`: beats.
    """

    def __init__(self, bar: int = 4) -> None:
        self.bar = bar
        self._forget()

    def _forget(self) -> None:
        self._shares = _USUAL / 2
        self._free = 0.5
        self._at: float | None = None
        self._first = 0.0
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
        if last is None or now - last > SILENCE_S or not self._named:
            return None
        return self._grid

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
        phases = np.mod(_PER_SECOND * seconds, 1) * _PHASES
        whole = phases.astype(np.int64)
        part = (phases - whole)[:, np.newaxis]
        places = (np.arange(_PHASES) - whole[:, np.newaxis]) % _PHASES
        flat = self._shares.ravel()
        before = flat.take(_ROW_STARTS + (places - 1) % _PHASES)
        moved = flat.take(_ROW_STARTS + places)
        moved += part * (before - moved)
        wander = min(0.3, 0.5 * min(seconds, 2.0) * (_WANDER / _PER_ROW) ** 2)
        mixed = moved * (1 - 2 * wander)
        mixed[1:] += wander * moved[:-1]
        mixed[:-1] += wander * moved[1:]
        mixed[0] += wander * moved[0]
        mixed[-1] += wander * moved[-1]
        self._shares = mixed

    def _weigh(self) -> None:
        shares, free = self._shares, self._free
        beat = shares.sum()
        shares = shares * (1 - _TURNS) + (_TURNS * free) * _USUAL
        free = free * (1 - _TURNS) + _TURNS * float(beat)
        more = self._size / self._usual_size
        self._usual_size += _SIZES * (self._size - self._usual_size)
        shares *= _LIKELY[(more >= _MORE) + (more >= _MANY)]
        whole = float(shares.sum()) + free
        self._shares = shares / whole
        self._free = free / whole

    def _name(self, at: float) -> None:
        """Take the likeliest beat, or stay with the one that was named."""
        row, phase = divmod(int(self._shares.argmax()), _PHASES)
        near = self._near(at)
        if near is not None and self._mass(*near) * _INSTEAD > self._mass(row, phase):
            row, phase = near
        self._confidence = self._agreed(row, phase)
        self._named = self._confidence > (_KEPT if self._named else _NAMED)
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
        return self._shares[first : row + _ROW_REACH + 1].take((phase + _NEAR) % _PHASES, axis=1), first

    def _mass(self, row: int, phase: int) -> float:
        return float(self._around(row, phase)[0].sum())

    def _place(self, at: float, row: int, phase: int) -> None:
        around, first = self._around(row, phase)
        whole = around.sum()
        if whole <= 0:
            return
        rows, phases = around.sum(axis=1), around.sum(axis=0)
        bpm = SLOWEST * np.exp(_PER_ROW * (first + float(rows @ np.arange(len(rows))) / whole))
        off = (phase + float(phases @ _NEAR) / whole) / _PHASES
        period = float(60 / bpm)
        if self._grid is None:
            count = round((at - self._first) / period - off)
        else:
            count = round(self._grid.beat_at(at) - off)
        self._grid = Grid(at, count + off, period, self.bar)
