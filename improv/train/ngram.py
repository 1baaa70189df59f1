"""An n-gram with back-off that is meant to be hard to beat: several chains of contexts for each part of a note, mixed.

Pitches are foreseen from the last ones, from the last intervals (in whatever key), from the last chord, and from the
last chord as intervals, each knowing whether the note goes on with a chord; steps from the last steps, from the last
chords' steps and sizes, and from the last durations; durations from the last ones, the note's step and pitch;
velocities from the last ones and the pitches. The weights of the mixture are fitted on training files kept apart.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN
from improv.predict.encoding import FloatArray
from improv.predict.weights import INTERVALS
from improv.train.backoff import MISSING, Chain, Hashes, hashed
from improv.train.floors import PARTS
from improv.train.foreseen import CHORD_CELLS, Foreseen, joined, judged
from improv.train.passages import Asked, Indices, Passages, Questions, asked, evenly

# Training notes that fit the weights, and notes kept apart to fit them on.
_FITTING, _KEPT = 500_000, 60_000
_TENTH = 10
# Of these, passages of a few notes each, to fit them for so few.
_CUT = 5000
_ROUNDS = 30
_CHUNK = 16384
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


# The interval that leads nowhere, among all from 127 below to 127 above.
_UNISON = PITCHES - 1

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


@dataclass(frozen=True, slots=True)
class Way:
    """A way to foresee a part of a note: a chain of contexts. `relative`: a pitch as the interval from the last."""

    part: str
    contexts: Contexts
    relative: bool

    def count(self, features: Features, longest: int | None = None) -> Chain:
        """Return what followed what in the passages, in contexts of at most so many levels."""
        symbols: Indices = getattr(features, self.part)
        size = PARTS[self.part][1]
        if self.relative:
            rows = np.flatnonzero(features.places >= 1)
            symbols, size = symbols[rows] - symbols[rows - 1] + _UNISON, INTERVALS
        else:
            # A velocity that is not known teaches nothing.
            rows = np.flatnonzero(symbols < size)
            symbols = symbols[rows]
        return Chain.of(self.levels(features, rows)[:longest], symbols, size)

    def distributions(self, chain: Chain, features: Features, rows: Indices) -> Iterator[FloatArray]:
        """Yield the distributions (n, symbols) of the part of the notes at `rows`, so many of them at a time."""
        levels = self.levels(features, rows)
        for at in range(0, len(rows), _CHUNK):
            own = chain.distributions([level[at : at + _CHUNK] for level in levels[: len(chain.levels)]])
            yield _pitches(own, features.pitch[rows[at : at + _CHUNK] - 1]) if self.relative else own

    def levels(self, features: Features, rows: Indices) -> list[Hashes]:
        """Return the contexts of the notes at `rows`, the shortest first."""
        return hashed([feature[rows] for feature in self.contexts(features)])

    def reach(self, features: Features, rows: Indices) -> int:
        """Return how many levels of context the notes at `rows` have: the passages may be short."""
        return max(1, sum(bool((level != MISSING).any()) for level in self.levels(features, rows)))


WAYS = tuple(Way(part, contexts, relative=False) for part, chains in CHAINS.items() for contexts in chains) + tuple(
    Way("pitch", contexts, relative=True) for contexts in RELATIVE
)


class NGram:
    """The mixture of all ways, counted on `training` when asked: all counts at once would fill the memory."""

    def __init__(self, training: Passages) -> None:
        self._features = Features(training)
        fit, self._kept = apart(training)
        self._fit = Features(fit)
        self._weights: dict[tuple[str, tuple[int, ...]], NDArray[np.float64]] = {}

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Answer the questions (`foreseen.Predictor`)."""
        questions = asked(these)
        features = {before: Features(question.passages) for before, question in questions.items()}
        rows = {before: question.rows for before, question in questions.items()}
        mixed: dict[int | None, dict[str, FloatArray]] = {before: {} for before in questions}
        for part in PARTS:
            for before, spread in self.spread(part, features, rows).items():
                mixed[before][part] = spread
        return {before: _judged(question, mixed[before]) for before, question in questions.items()}

    def spread(
        self, part: str, features: Mapping[int | None, Features], rows: Mapping[int | None, Indices]
    ) -> dict[int | None, FloatArray]:
        """Return the distributions of a part (n, symbols) of the notes at `rows` (n) of each of several passages.

        The passages are called by how many notes come before each of their rows, or None where it is many.
        """
        ways = _ways(part)
        whole = {before: np.zeros((len(own), PARTS[part][1]), np.float32) for before, own in rows.items()}
        reaches = {before: tuple(way.reach(features[before], own) for way in ways) for before, own in rows.items()}
        weights = {before: self.weights(part, before, own) for before, own in reaches.items()}
        for at, way in enumerate(ways):
            # Counted anew for short passages: the longest level that they have must be the longest that there is.
            for reach in {own[at] for own in reaches.values()}:
                chain = way.count(self._features, reach)
                for before in (before for before, own in reaches.items() if own[at] == reach):
                    done = 0
                    for spread in way.distributions(chain, features[before], rows[before]):
                        whole[before][done : done + len(spread)] += np.float32(weights[before][at]) * spread
                        done += len(spread)
        return whole

    def weights(self, part: str, before: int | None, reaches: tuple[int, ...]) -> NDArray[np.float64]:
        """Return how far to trust each way after so many notes, when it has so many levels of context.

        Fitted on a tenth of the training passages, against what is counted in others.
        """
        known = self._weights.get((part, reaches))
        if known is None:
            known = self._weights[part, reaches] = self._fitted(part, before, reaches)
        return known

    def _fitted(self, part: str, before: int | None, reaches: tuple[int, ...]) -> NDArray[np.float64]:
        ways = _ways(part)
        even = np.full(len(ways), 1 / len(ways))
        kept = self._kept if before is None else _cut(self._kept, before)
        features = Features(kept)
        true: Indices = getattr(features, part)
        rows = np.flatnonzero((true < PARTS[part][1]) & (kept.places >= 1 if before is None else kept.places == before))
        if not len(rows) or not len(self._fit.places):
            return even
        found = np.empty((len(rows), len(ways)))
        for at, (way, reach) in enumerate(zip(ways, reaches, strict=True)):
            done = 0
            for spread in way.distributions(way.count(self._fit, reach), features, rows):
                chunk = rows[done : done + len(spread)]
                found[done : done + len(spread), at] = spread[np.arange(len(chunk)), true[chunk]]
                done += len(spread)
        weights = even
        for _ in range(_ROUNDS):
            shares = weights * found
            weights = (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)
        return weights


def _ways(part: str) -> list[Way]:
    return [way for way in WAYS if way.part == part]


def _pitches(intervals: FloatArray, last: Indices) -> FloatArray:
    """Return distributions of intervals (n, 255) as those of the pitches to which they lead from the `last` (n)."""
    own = np.take_along_axis(intervals, np.arange(PITCHES) - last[:, None] + _UNISON, axis=1)
    own /= own.sum(axis=1, keepdims=True)
    return own


def apart(training: Passages) -> tuple[Passages, Passages]:
    """Return some passages to count for the weights, and others to fit them on, both evenly spread."""
    numbers = np.cumsum(training.places == 0) - 1
    kept = numbers % _TENTH == 0
    parts = []
    for which, most in ((~kept, _FITTING), (kept, _KEPT)):
        every = max(1, round(int(which.sum()) / most))
        # The number of each among its own kind.
        turn = np.cumsum((training.places == 0) & which) - 1
        rows = np.flatnonzero(which & (turn % every == 0))
        parts.append(Passages(training.bins[rows], training.places[rows]))
    return parts[0], parts[1]


def _cut(passages: Passages, before: int) -> Passages:
    """Return passages of so many notes and one more, evenly spread over others."""
    ends = np.flatnonzero(passages.places >= before)
    rows = ends[evenly(len(ends), _CUT)][:, None] + np.arange(-before, 1)
    return Passages(passages.bins[rows.ravel()], np.tile(np.arange(before + 1), len(rows)))


def _judged(question: Asked, mixed: Mapping[str, FloatArray]) -> Foreseen:
    pieces = [
        judged(
            {part: np.log(spread[at : at + _CHUNK]) for part, spread in mixed.items()},
            question.passages.bins[question.rows[at : at + _CHUNK]],
        )
        for at in range(0, len(question.rows), _CHUNK)
    ]
    return joined(pieces)
