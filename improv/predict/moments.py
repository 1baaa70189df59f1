"""What the player did after similar moments: which of the remembered notes came after what is heard now, and how alike.

A moment is the gap before a remembered note. Two moments are alike as far back as the intervals before them are the
same; in the same key, if the last pitch is the same too; in rhythm, as far back as the steps are. So a figure is found
in another key, and in another tempo a little less.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import PITCH, STEP, FloatArray
from improv.predict.grid import TIMES

Numbers = NDArray[np.float64]
Indices = NDArray[np.intp]
Small = NDArray[np.int16]

# How far back moments are compared, and how many of the most alike count.
REACH = 8
_MOST = 64
# Of so many moments with the same last interval or pitch, the latest, the most alike are looked for.
_CANDIDATES = 512
_BACK = np.arange(REACH)
_LOGARITHMS = np.log1p(np.arange(REACH + 1))
# Steps are the same whose logarithms differ by less, and to the logarithm of steps this is added, in seconds: between
# the notes of a chord, milliseconds mean nothing.
_SAME_STEP = 0.2
_SOFT_S = 0.02
# Beyond what was remembered, and beyond what is heard: like nothing, nor each other.
NO_INTERVAL, _NO_STEP = 1000, -1000.0


def softened(steps: FloatArray) -> FloatArray:
    """Return steps (seconds) as logarithms, in which steps are compared."""
    logarithms: FloatArray = np.log(steps + np.float32(_SOFT_S))
    return logarithms


@dataclass(frozen=True, slots=True, eq=False)
class Weighing:
    """How much it counts that a moment is alike: the logarithm of its weight against the network's, which is 0.

    `intervals`, `steps`: times the logarithm of 1 + how far back these are the same; `key`: if the last pitch is too;
    `age`: times the logarithm of how many notes ago; `unsure`: times the entropy of the network (nats), for where it is
    sure the memory knows little better.
    """

    base: float
    intervals: float
    key: float
    steps: float
    age: float
    unsure: float


# Fitted to training pieces of four sets, not to those that it is measured on (docs/memory.md).
OF_STEP = Weighing(base=-9.84, intervals=1.46, key=1.47, steps=1.60, age=-0.25, unsure=1.48)
OF_PITCH = Weighing(base=-5.80, intervals=2.57, key=1.93, steps=0.20, age=-0.28, unsure=0.56)
# A pitch that came after another step counts less: times the difference of the logarithms, up to 1.
_OTHER_STEP = -3.05
# A remembered step makes the bins beside its own likelier, too: so much, up to three bins away.
_BESIDE = np.exp([1.04, -0.08, -1.06, -1.79])


def _spread() -> Numbers:
    away = np.abs(np.arange(TIMES)[:, None] - np.arange(TIMES))
    shares: Numbers = np.where(away < len(_BESIDE), _BESIDE[np.minimum(away, len(_BESIDE) - 1)], 0.0)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


_SPREAD = _spread()


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What is heard just before: the last `pitch`, and the latest first, intervals and softened steps (REACH)."""

    pitch: int
    intervals: Small
    steps: FloatArray

    @classmethod
    def of(cls, notes: FloatArray) -> "Context":
        """Return the context after `notes` (n >= 1, 4). The step of the first counts as it is."""
        last = notes[-REACH - 1 :]
        pitches = last[:, PITCH].astype(np.int16)
        intervals = np.full(REACH, NO_INTERVAL + 1, np.int16)
        steps = np.full(REACH, -_NO_STEP, np.float32)
        intervals[: len(last) - 1] = np.diff(pitches)[::-1]
        recent = last[::-1][:REACH]
        steps[: len(recent)] = softened(recent[:, STEP])
        return cls(int(pitches[-1]), intervals, steps)

    def after(self, pitch: int, step: float) -> "Context":
        """Return the context one note later; `step` in seconds."""
        intervals, steps = np.empty_like(self.intervals), np.empty_like(self.steps)
        intervals[1:], steps[1:] = self.intervals[:-1], self.steps[:-1]
        intervals[0], steps[0] = pitch - self.pitch, np.log(step + _SOFT_S)
        return Context(pitch, intervals, steps)


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Remembered notes, the oldest first: `pitches`, the `intervals` to them, their `steps` (softened) and `bins`.

    The first REACH rows are no notes, so that one may look back from everywhere. `bins` are -1 where a step was not the
    player's choice: before the first note of a phrase.
    """

    pitches: Small
    intervals: Small
    steps: FloatArray
    bins: Small

    @classmethod
    def empty(cls, room: int) -> "Past":
        """Return columns with room for so many notes, none of them there yet."""
        size = room + REACH
        return cls(
            np.full(size, -NO_INTERVAL, np.int16),
            np.full(size, NO_INTERVAL, np.int16),
            np.full(size, _NO_STEP, np.float32),
            np.full(size, -1, np.int16),
        )

    def first(self, count: int) -> "Past":
        """Return the first `count` notes, as views."""
        end = count + REACH
        return Past(self.pitches[:end], self.intervals[:end], self.steps[:end], self.bins[:end])


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """The remembered moments most like the present one (n, up to 64), and what came then.

    `pitches`, `steps` (softened), `bins`; `of_step`, `of_pitch`: the logarithms of their weights, but for what is known
    only when a note is foreseen.
    """

    pitches: Indices
    steps: FloatArray
    bins: Small
    of_step: Numbers
    of_pitch: Numbers

    def step_evidence(self, entropy: float) -> Numbers:
        """Return how much speaks for each bin of the step (68), against the network's 1; `entropy` of its step."""
        own = self.bins >= 0
        weights = np.exp(self.of_step[own] + OF_STEP.unsure * entropy)
        return np.bincount(self.bins[own], weights, TIMES) @ _SPREAD

    def pitch_evidence(self, entropy: float, step: float, pitches: int) -> Numbers:
        """Return how much speaks for each of the `pitches`, given the step (seconds); `entropy` of the pitch."""
        other = np.minimum(np.abs(self.steps - np.log(step + _SOFT_S)), 1.0)
        weights = np.exp(self.of_pitch + (_OTHER_STEP * other + OF_PITCH.unsure * entropy))
        return np.asarray(np.bincount(self.pitches, weights, pitches), np.float64)


def alike(past: Past, context: Context, pitches: int) -> Moments | None:
    """Return the moments of `past` most like `context`; None where none is. Of `pitches`, others are no pitches."""
    # The last note remembered is not yet the moment before another.
    end = len(past.pitches) - 1
    same = past.pitches[REACH:end] == context.pitch
    found = REACH + np.flatnonzero(same | (past.intervals[REACH:end] == context.intervals[0]))[-_CANDIDATES:]
    if not len(found):
        return None
    length = _matching(past.intervals, found, context.intervals)
    key = same[found - REACH]
    if len(found) > _MOST:
        # The longest first and, as they are in order, the latest of those.
        best = np.argpartition((length + key) * end + found, -_MOST)[-_MOST:]
        found, length, key = found[best], length[best], key[best]
    coming = context.pitch + past.intervals[found + 1].astype(np.intp)
    there = (coming >= 0) & (coming < pitches)
    if not there.all():
        found, length, key, coming = found[there], length[there], key[there], coming[there]
    other = np.abs(past.steps[found[:, None] - _BACK] - context.steps) >= _SAME_STEP
    other[:, -1] = True
    rhythm, melody, age = _LOGARITHMS[other.argmax(axis=1)], _LOGARITHMS[length], np.log(end - found)
    following = found + 1
    return Moments(
        coming,
        past.steps[following],
        past.bins[following],
        *(
            how.base + how.intervals * melody + how.key * key + how.steps * rhythm + how.age * age
            for how in (OF_STEP, OF_PITCH)
        ),
    )


def _matching(intervals: Small, found: Indices, heard: Small) -> Indices:
    """Return how many of the intervals up to each of the places `found` are the last ones `heard`, in a row."""
    length = np.zeros(len(found), np.intp)
    still = np.arange(len(found))
    for back in range(REACH):
        still = still[intervals[found[still] - back] == heard[back]]
        length[still] += 1
        if not len(still):
            break
    return length
