"""Draw from a model's distributions: pure functions of logits, taste and uniform numbers."""

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Taste

Probabilities = NDArray[np.float64]


def uniforms(seed: int, revision: int, candidate: int, count: int) -> FloatArray:
    """Return the uniform numbers in [0, 1) of a candidate's first `count` notes: (count, 4), a column a quantity.

    A pure function; fewer notes get the beginning of the same numbers. `seed`, `revision` and `candidate` are >= 0.
    """
    # Counter-based: every (seed, revision, candidate) has a stream of its own, at the cost of none before it.
    stream = Philox(key=[seed, revision], counter=[0, 0, candidate, 0])
    return Generator(stream).random((count, COLUMNS), dtype=np.float32)


def pitch_probabilities(logits: FloatArray, taste: Taste) -> Probabilities:
    """Return what is drawn from, (batch, 128): nothing outside the register, nothing beyond `top_p`.

    The temperature comes first, so that `top_p` cuts what is really left. Equally likely pitches stay or go together.
    """
    register = slice(taste.lowest, taste.highest + 1)
    allowed = logits[:, register].astype(np.float64)
    allowed /= taste.temperature
    allowed -= allowed.max(axis=1, keepdims=True)
    np.exp(allowed, out=allowed)
    allowed /= allowed.sum(axis=1, keepdims=True)
    if taste.top_p < 1:
        likeliest = np.sort(allowed, axis=1)[:, ::-1]
        before = np.cumsum(likeliest, axis=1) - likeliest
        least = np.where(before < taste.top_p, likeliest, 1).min(axis=1, keepdims=True)
        allowed[allowed < least] = 0
        allowed /= allowed.sum(axis=1, keepdims=True)
    probabilities = np.zeros((len(logits), PITCHES))
    probabilities[:, register] = allowed
    return probabilities


def draw_index(probabilities: Probabilities, uniform: FloatArray) -> NDArray[np.int64]:
    """Return an index for each row, where its `uniform` number in [0, 1) falls. Never one of probability 0."""
    # In double precision, a single-precision number below 1 stays below the whole.
    below = np.cumsum(probabilities, axis=1)
    return np.asarray((below <= uniform[:, None] * below[:, -1:]).sum(axis=1), np.int64)


def draw_pitch(logits: FloatArray, uniform: FloatArray, taste: Taste) -> NDArray[np.int64]:
    """Return a pitch for each row of `logits` (batch, 128)."""
    return draw_index(pitch_probabilities(logits, taste), uniform)
