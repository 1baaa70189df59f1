"""Draw from a model's distributions: pure functions of logits, taste and uniform numbers."""

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Taste

Probabilities = NDArray[np.float64]

_BELOW_1 = np.nextafter(1.0, 0.0)


def uniforms(seed: int, revision: int, candidate: int, count: int) -> FloatArray:
    """Return the uniform numbers in [0, 1) of a candidate's first `count` notes: (count, 4), a column a quantity.

    A pure function; fewer notes get the beginning of the same numbers. `seed`, `revision` and `candidate` are >= 0.
    """
    # Counter-based: every (seed, revision, candidate) has a stream of its own, at the cost of none before it.
    stream = Philox(key=[seed, revision], counter=[0, 0, candidate, 0])
    return Generator(stream).random((count, COLUMNS), dtype=np.float32)


def likely(logits: FloatArray, taste: Taste) -> Probabilities:
    """Return what is drawn from, (batch, n), in proportion: nothing beyond `top_p`.

    The temperature comes first, so that `top_p` cuts what is really left. Equals stay or go together.
    """
    allowed = logits.astype(np.float64)
    allowed -= allowed.max(axis=1, keepdims=True)
    allowed *= 1 / taste.temperature
    np.exp(allowed, out=allowed)
    if taste.top_p < 1:
        rising = np.sort(allowed, axis=1)
        sums = np.cumsum(rising, axis=1)
        # The first that, with all above it, makes up more than the share of `top_p` leaves out.
        first = (sums <= (1 - taste.top_p) * sums[:, -1:]).sum(axis=1)
        allowed[allowed < rising[np.arange(len(first)), first][:, None]] = 0
    return allowed


def pitch_probabilities(logits: FloatArray, taste: Taste) -> Probabilities:
    """Return what is drawn from, (batch, 128): nothing outside the register, nothing beyond `top_p`."""
    register = slice(taste.lowest, taste.highest + 1)
    probabilities = np.zeros((len(logits), PITCHES))
    probabilities[:, register] = likely(logits[:, register], taste)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def draw_index(probabilities: Probabilities, uniform: FloatArray) -> NDArray[np.int64]:
    """Return an index for each row, where its `uniform` number in [0, 1) falls. Never one of probability 0."""
    # In double precision, a single-precision number below 1 stays below the whole.
    ends = np.cumsum(probabilities, axis=1)
    return np.asarray((ends <= uniform[:, None] * ends[:, -1:]).sum(axis=1), np.int64)


def draw_place(probabilities: Probabilities, uniform: FloatArray) -> tuple[NDArray[np.int64], Probabilities]:
    """Return an index for each row as `draw_index` does, and how far into its share the number fell, in [0, 1).

    That rest is uniform again: it says where in a bin a time or a velocity lies.
    """
    ends = np.cumsum(probabilities, axis=1)
    reached = uniform * ends[:, -1]
    index = np.asarray((ends <= reached[:, None]).sum(axis=1), np.int64)
    rows = np.arange(len(index))
    own = probabilities[rows, index]
    place = 1 - (ends[rows, index] - reached) / own
    return index, np.minimum(np.maximum(place, 0), _BELOW_1)


def draw_pitch(logits: FloatArray, uniform: FloatArray, taste: Taste) -> NDArray[np.int64]:
    """Return a pitch for each row of `logits` (batch, 128)."""
    return draw_index(likely(logits[:, taste.lowest : taste.highest + 1], taste), uniform) + taste.lowest
