"""An n-gram with back-off that is meant to be hard to beat: several chains of contexts for each part of a note, mixed.

Pitches are foreseen from the last ones, from the last intervals (in whatever key), from the last chord, and from the
last chord as intervals, each knowing whether the note goes on with a chord; steps from the last steps, from the last
chords' steps and sizes, and from the last durations; durations from the last ones, the note's step and pitch;
velocities from the last ones and the pitches. The weights of the mixture are fitted on training files kept apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.encoding import FloatArray
from improv.predict.weights import INTERVALS
from improv.train.backoff import MISSING, Chain, Hashes, hashed
from improv.train.contexts import CHAINS, RELATIVE, Contexts, Features
from improv.train.floors import PARTS
from improv.train.foreseen import Foreseen, joined, judged
from improv.train.passages import Asked, Indices, Passages, Questions, asked, evenly

# Training notes that fit the weights, and notes kept apart to fit them on.
_FITTING, _KEPT = 500_000, 60_000
_TENTH = 10
# Of these, passages of a few notes each, to fit them for so few.
_CUT = 5000
_ROUNDS = 30
_CHUNK = 16384
# The interval that leads nowhere, among all from 127 below to 127 above.
_UNISON = PITCHES - 1


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
