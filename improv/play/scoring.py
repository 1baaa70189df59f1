"""How good answers to a call are, of several: those that are made of what is being played, and that others are like.

Why by this and by nothing else: docs/candidates.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from improv.events import PITCHES, Note
from improv.predict.bins import time_bins
from improv.predict.encoding import FloatArray
from improv.predict.grid import TIMES, VELOCITIES, VELOCITY_WIDTH

_CLASSES = 12
# Intervals from the note before are told apart up to two octaves either way.
_WIDEST = 24
# The quantities of a profile: how many values each has, and how many beside it a value also counts for, less and less.
# A passage of seconds has too few notes to tell neighbours apart.
QUANTITIES = {
    "pitch class": (_CLASSES, 0),
    "pitch": (PITCHES, 2),
    "interval": (2 * _WIDEST + 1, 1),
    "step": (TIMES, 2),
    "duration": (TIMES, 2),
    "velocity": (VELOCITIES, 2),
}
_STARTS = np.cumsum([0, *(size for size, _ in QUANTITIES.values())])


def _blurring() -> FloatArray:
    blurring = np.zeros((_STARTS[-1], _STARTS[-1]), np.float32)
    for start, (size, reach) in zip(_STARTS[:-1], QUANTITIES.values(), strict=True):
        values = np.arange(size)
        near = np.maximum(0, reach + 1 - np.abs(values[:, None] - values))
        blurring[start : start + size, start : start + size] = near / near.sum(axis=1, keepdims=True)
    return blurring


_BLURRING = _blurring()


def profiles(passages: Sequence[Sequence[Note]]) -> FloatArray:
    """Return the distributions of the QUANTITIES in passages, side by side: (passages, values).

    Each sums to 1, or to 0 where there is none: an interval and a step take two notes.
    """
    counted = np.zeros((len(passages), _STARTS[-1]), np.float32)
    for own, notes in zip(counted, passages, strict=True):
        for start, end, values in zip(_STARTS[:-1], _STARTS[1:], _values(notes), strict=True):
            own[start:end] = np.bincount(values, minlength=end - start) / max(1, len(values))
    return np.asarray(counted @ _BLURRING, np.float32)


def _values(notes: Sequence[Note]) -> list[np.ndarray]:
    """Return the value of each note in each of the QUANTITIES."""
    pitches = np.array([note.pitch for note in notes], np.int64)
    onsets = np.array([note.onset for note in notes], np.float64)
    durations = np.array([note.duration for note in notes], np.float32)
    velocities = np.array([note.velocity for note in notes], np.int64)
    return [
        pitches % _CLASSES,
        pitches,
        np.clip(np.diff(pitches), -_WIDEST, _WIDEST) + _WIDEST,
        time_bins(np.diff(onsets).astype(np.float32)),
        time_bins(durations),
        velocities // VELOCITY_WIDTH,
    ]


def shared(these: FloatArray, those: FloatArray) -> FloatArray:
    """Return what profiles (…, values) have in common in each quantity (…, 6): 1 minus their total variation."""
    return np.asarray(np.add.reduceat(np.minimum(these, those), _STARTS[:-1], axis=-1), np.float32)


def likeness(these: FloatArray, those: FloatArray) -> FloatArray:
    """Return how much profiles (…, values) have in common, 0 to 1: the mean over the quantities (…)."""
    return np.asarray(np.minimum(these, those).sum(axis=-1) / len(QUANTITIES), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Likenesses:
    """What answers are like, each (answers): all that was `heard`, the `call`, and the `others` on the mean."""

    heard: FloatArray
    call: FloatArray
    others: FloatArray

    def scores(self) -> FloatArray:
        """Return how good each answer is (answers); only differences mean something."""
        return self.heard + self.call + self.others


def likenesses(answers: FloatArray, heard: FloatArray, call: FloatArray) -> Likenesses:
    """Return what answers (n, values) are like, all as profiles; `heard` and `call` (values)."""
    others = np.zeros(len(answers), np.float32)
    if len(answers) > 1:
        # One at a time: all pairs at once would not fit into a processor's cache.
        others = np.array([likeness(answers, own).sum() - likeness(own, own) for own in answers], np.float32)
        others /= len(answers) - 1
    return Likenesses(likeness(answers, heard), likeness(answers, call), others)
