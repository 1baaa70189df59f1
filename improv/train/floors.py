"""What anybody should beat: predictors that only count the training split of the very set that they are asked about."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import DURATION_BIN, PITCH_BIN, STEP_BIN, VELOCITY_BIN
from improv.predict.encoding import FloatArray
from improv.predict.grid import TIMES, VELOCITIES
from improv.train.foreseen import Foreseen, joined, judged
from improv.train.passages import Asked, Indices, Passages, Questions, asked

# Each part of a note: its column in bins, and how many it has.
PARTS = {
    "step": (STEP_BIN, TIMES),
    "pitch": (PITCH_BIN, PITCHES),
    "velocity": (VELOCITY_BIN, VELOCITIES),
    "duration": (DURATION_BIN, TIMES),
}
_CHUNK = 16384

Spread = Callable[[Passages, Indices], Mapping[str, FloatArray]]


def foreseen(question: Asked, spread: Spread) -> Foreseen:
    """Return how well the distributions that `spread` gives of each part foresaw the notes in question."""
    pieces = [
        judged(
            {part: np.log(own) for part, own in spread(question.passages, rows).items()}, question.passages.bins[rows]
        )
        for rows in question.chunks(_CHUNK)
    ]
    return joined(pieces)


class Unigram:
    """How often each step, pitch, velocity and duration occurs, whatever was played before."""

    def __init__(self, training: Passages) -> None:
        self.tables = {part: _table(training.bins[:, column], size) for part, (column, size) in PARTS.items()}

    def spread(self, _: Passages, rows: Indices) -> dict[str, FloatArray]:
        """Return the distribution of each part (n, symbols) of the notes at `rows` (n)."""
        return {part: np.broadcast_to(table, (len(rows), len(table))) for part, table in self.tables.items()}

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Answer the questions (`foreseen.Predictor`)."""
        return {before: foreseen(question, self.spread) for before, question in asked(these).items()}


class Repeat:
    """The last interval again, and the last step, duration, velocity, as often as in training; else Unigram."""

    def __init__(self, training: Passages) -> None:
        self._unigram = Unigram(training)
        rows = np.flatnonzero(training.places >= 2)
        guesses = _repeated(training, rows)
        self._shares = {}
        for part, (column, _) in PARTS.items():
            true, (guess, known) = training.bins[rows, column], guesses[part]
            self._shares[part] = _share(self._unigram.tables[part], true[known], guess[known])

    def spread(self, passages: Passages, rows: Indices) -> dict[str, FloatArray]:
        """Return the distribution of each part (n, symbols) of the notes at `rows` (n)."""
        spread = {}
        guesses = _repeated(passages, rows)
        for part, floor in self._unigram.spread(passages, rows).items():
            guess, known = guesses[part]
            own = floor.copy()
            own[known] *= 1 - self._shares[part]
            own[known, guess[known]] += self._shares[part]
            spread[part] = own
        return spread

    def foresee(self, these: Questions) -> dict[int | None, Foreseen]:
        """Answer the questions (`foreseen.Predictor`)."""
        return {before: foreseen(question, self.spread) for before, question in asked(these).items()}


def _table(symbols: NDArray[np.int32], size: int) -> FloatArray:
    # A velocity that is not known is none of them.
    counts = np.bincount(symbols[symbols < size], minlength=size) + 1.0
    return np.asarray(counts / counts.sum(), np.float32)


def _repeated(passages: Passages, rows: Indices) -> dict[str, tuple[Indices, NDArray[np.bool_]]]:
    """Return for each part what a repetition brings (n), and where there is something to repeat (n)."""
    places = passages.places[rows]
    last, before = (passages.bins[np.maximum(rows - back, 0)].astype(np.int64) for back in (1, 2))
    again = {part: (last[:, column], places >= 1) for part, (column, _) in PARTS.items()}
    # The first step of a passage leads from nowhere.
    again["step"] = (last[:, STEP_BIN], places >= 2)
    again["velocity"] = (last[:, VELOCITY_BIN], (places >= 1) & (last[:, VELOCITY_BIN] < VELOCITIES))
    pitch = 2 * last[:, PITCH_BIN] - before[:, PITCH_BIN]
    again["pitch"] = (pitch, (places >= 2) & (pitch >= 0) & (pitch < PITCHES))
    return again


def _share(table: FloatArray, true: NDArray[np.int32], guess: Indices) -> float:
    """Return how far to trust the guess, such that what is true becomes most likely."""
    known = true < len(table)
    floor, right = table[true[known]].astype(np.float64), true[known] == guess[known]
    share = 0.5
    for _ in range(30):
        hit = share * right
        share = float((hit / (hit + (1 - share) * floor)).mean()) if len(floor) else 0.0
    return min(share, 1 - 1e-6)
