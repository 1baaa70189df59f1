"""Draw from distributions as `predict.sampling` does, by the same rules, in operations that Keras can compile."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from keras import ops
from numpy.typing import NDArray

from improv.engine.backend import Tensor
from improv.events import PITCHES
from improv.predict.bins import EDGES_S, time_bins
from improv.predict.engine import Taste
from improv.predict.grid import CELL_S
from improv.predict.sampling import CHORD_BINS, CHORD_S, DENSER, STEP_LENGTHS
from improv.predict.weights import CLASSES

_BELOW_1 = float(np.nextafter(1.0, 0.0))
_CLASS = np.arange(PITCHES) % CLASSES
_EDGES = EDGES_S.astype(np.float64)


@dataclass(frozen=True, slots=True)
class Taste64:
    """A taste as scalar tensors of double precision, so that another taste is no reason to compile again.

    `cut`: the share that `top_p` leaves out. `first`: the bin that the time gone by lies in, `log_left` and `left_s`
    what can still come of it, as the logarithm of a share and in seconds. `tilt`: what the logarithm of a step's length
    takes from its log-share. `bias` (12).
    """

    sharpness: Tensor
    cut: Tensor
    lowest: Tensor
    highest: Tensor
    elapsed_s: Tensor
    first: Tensor
    log_left: Tensor
    left_s: Tensor
    density: Tensor
    tilt: Tensor
    bias: Tensor

    @classmethod
    def of(cls, numbers: Tensor) -> "Taste64":
        """Return the taste that `as_numbers` made `numbers` of."""
        *scalars, bias = cls.__dataclass_fields__
        return cls(**{name: numbers[at] for at, name in enumerate(scalars)}, **{bias: numbers[len(scalars) :]})


@lru_cache(maxsize=16)
def as_numbers(taste: Taste) -> NDArray[np.float64]:
    """Return a taste as the numbers of a `Taste64`, in its order."""
    elapsed = max(taste.elapsed_s, 0.0)
    # The last bin has no end: what has gone by may lie beyond it.
    first = int(time_bins(np.array([elapsed], np.float32))[0])
    width = _EDGES[first + 1] - _EDGES[first]
    left = np.clip((_EDGES[first + 1] - elapsed) / width, CELL_S, 1)
    return np.array(
        [
            1 / taste.temperature,
            1 - taste.top_p,
            taste.lowest,
            taste.highest,
            elapsed,
            first,
            np.log(left),
            left * width,
            taste.density,
            DENSER * np.log2(taste.density),
            *(taste.bias or (0.0,) * CLASSES),
        ],
        np.float64,
    )


def likely(logits: Tensor, taste: Taste64) -> Tensor:
    """Return what is drawn from, (batch, n), in proportion. What is at minus infinity cannot come."""
    return _kept(_tempered(logits, taste), taste)


def _tempered(logits: Tensor, taste: Taste64) -> Tensor:
    shares = ops.cast(logits, "float64")
    return (shares - ops.max(shares, axis=1, keepdims=True)) * taste.sharpness


def _kept(shares: Tensor, taste: Taste64) -> Tensor:
    allowed = ops.exp(shares - ops.max(shares, axis=1, keepdims=True))
    rising = ops.sort(allowed, axis=1)
    sums = ops.cumsum(rising, axis=1)
    first = _count(sums <= taste.cut * sums[:, -1:])
    return ops.where(allowed < ops.take_along_axis(rising, first[:, None], axis=1), 0.0, allowed)


def draw_place(shares: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Return an index for each row, and how far into its share the number fell, in [0, 1)."""
    ends = ops.cumsum(shares, axis=1)
    reached = ops.cast(uniform, "float64") * ends[:, -1]
    index = _count(ends <= reached[:, None])
    end = ops.take_along_axis(ends, index[:, None], axis=1)[:, 0]
    own = ops.take_along_axis(shares, index[:, None], axis=1)[:, 0]
    return index, ops.clip(1 - (end - reached) / own, 0.0, _BELOW_1)


def draw_pitch(logits: Tensor, uniform: Tensor, taste: Taste64) -> Tensor:
    """Return a pitch within the register for each row of `logits` (batch, 128)."""
    pitches = ops.cast(ops.arange(logits.shape[1]), "float64")
    inside = (pitches >= taste.lowest) & (pitches <= taste.highest)
    shares = _tempered(ops.where(inside, ops.cast(logits, "float64"), -np.inf), taste)
    return draw_place(_kept(shares + ops.take(taste.bias, _CLASS), taste), uniform)[0]


def draw_step(logits: Tensor, uniform: Tensor, taste: Taste64) -> tuple[Tensor, Tensor]:
    """Return steps (seconds) and their bins, knowing that they are no shorter than what has gone by."""
    bins = ops.cast(ops.arange(logits.shape[1]), "float64")
    begun = ops.where(bins == taste.first, ops.cast(taste.log_left, "float32"), 0.0)
    can_come = ops.where(bins >= taste.first, ops.cast(logits + begun, "float64"), -np.inf)
    index, share = draw_place(_kept(_denser(_tempered(can_come, taste), taste), taste), uniform)
    in_begun = ops.cast(index, "float64") == taste.first
    steps = ops.where(in_begun, taste.elapsed_s + share * taste.left_s, seconds(index, share))
    return ops.maximum(steps, taste.elapsed_s), index


def sooner(step: Tensor, taste: Taste64) -> Tensor:
    """Return steps (seconds) that are points, as many times shorter as more notes are wanted; a chord stays one."""
    return ops.where(step < CHORD_S, step, step / ops.cast(taste.density, "float32"))


def _denser(shares: Tensor, taste: Taste64) -> Tensor:
    """Return log-shares of the steps tilted as by `sampling.denser`; what cannot come is at minus infinity."""
    others = shares[:, CHORD_BINS:]
    tilted = others - taste.tilt * ops.convert_to_tensor(STEP_LENGTHS[CHORD_BINS:])
    whole = ops.logsumexp(others, axis=1, keepdims=True) - ops.logsumexp(tilted, axis=1, keepdims=True)
    return ops.concatenate([shares[:, :CHORD_BINS], tilted + whole], axis=1)


def seconds(bins: Tensor, share: Tensor) -> Tensor:
    """Return the times that lie at `share` of their bins."""
    begin = ops.take(ops.convert_to_tensor(_EDGES), bins, axis=0)
    end = ops.take(ops.convert_to_tensor(_EDGES), bins + 1, axis=0)
    return begin + share * (end - begin)


def _count(truths: Tensor) -> Tensor:
    return ops.sum(ops.cast(truths, "int32"), axis=1)
