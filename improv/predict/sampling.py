"""Draw from a model's distributions: pure functions of logits, taste and uniform numbers."""

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray

from improv.events import PITCHES
from improv.predict.bins import EDGES_S
from improv.predict.encoding import COLUMNS, FloatArray
from improv.predict.engine import Taste
from improv.predict.weights import CLASSES

Probabilities = NDArray[np.float64]

# A step shorter than this lies within a chord, and stays one, however many notes are wanted. The first bins of a step.
CHORD_S = 0.05
CHORD_BINS = int(np.searchsorted(EDGES_S, CHORD_S - 1e-9))
# What a step's length adds to its log-share when twice as many notes are wanted: so many times its logarithm. Measured:
# see `denser`.
DENSER = 2.0
STEP_LENGTHS = np.log((EDGES_S[:-1] + EDGES_S[1:]) / 2)
_CLASS = np.arange(PITCHES) % CLASSES

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
    return _kept(_tempered(logits, taste), taste)


def likely_pitch(logits: FloatArray, taste: Taste) -> Probabilities:
    """Return what a pitch is drawn from, in proportion, within the register: `logits` (batch, 128).

    The bias comes after the temperature, so that a wild taste, or a way out of a loop, stays as much in key as a tame
    one; and before `top_p`, which cuts what is really left.
    """
    register = slice(taste.lowest, taste.highest + 1)
    tempered = _tempered(logits[:, register], taste)
    if taste.bias is not None:
        tempered += np.array(taste.bias)[_CLASS[register]]
        tempered -= tempered.max(axis=1, keepdims=True)
    return _kept(tempered, taste)


def likely_step(logits: FloatArray, taste: Taste, first: int = 0) -> Probabilities:
    """Return what a step's bin is drawn from, in proportion: `logits` (batch, n) of the bins from `first` on."""
    tempered = _tempered(logits, taste)
    if taste.density != 1:
        tempered = denser(tempered, taste.density, first)
    return _kept(tempered, taste)


def denser(shares: Probabilities, density: float, first: int) -> Probabilities:
    """Return log-shares of the steps' bins from `first` on, tilted to shorter steps (density > 1) or longer ones.

    A step of twice the length loses the same, whether the music is slow or fast: the tilt is a power of the length. A
    chord keeps its share: the other steps are as likely together as they were.
    """
    chord = max(0, CHORD_BINS - first)
    others = shares[:, chord:]
    tilted = others - DENSER * np.log2(density) * STEP_LENGTHS[first + chord :]
    tilted += np.logaddexp.reduce(others, axis=1, keepdims=True) - np.logaddexp.reduce(tilted, axis=1, keepdims=True)
    whole: Probabilities = np.concatenate([shares[:, :chord], tilted], axis=1)
    whole -= whole.max(axis=1, keepdims=True)
    return whole


def _tempered(logits: FloatArray, taste: Taste) -> Probabilities:
    """Return log-shares at the taste's temperature, of which the greatest is 0."""
    tempered = logits.astype(np.float64)
    tempered -= tempered.max(axis=1, keepdims=True)
    tempered *= 1 / taste.temperature
    return tempered


def _kept(shares: Probabilities, taste: Taste) -> Probabilities:
    """Return the shares of log-shares, whose place they take: nothing beyond `top_p`."""
    allowed = np.exp(shares, out=shares)
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
    probabilities[:, register] = likely_pitch(logits, taste)
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
    return draw_index(likely_pitch(logits, taste), uniform) + taste.lowest
