"""What a predictor of points would have to say to be compared with distributions: its own errors around each point."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import FloatArray
from improv.predict.grid import BOUNDS, CELL_S

_CELLS = BOUNDS[-1]
_LAST_BIN = slice(BOUNDS[-2], BOUNDS[-1])
# Added to how often each error was made, so that none is impossible.
_SMOOTHING = 0.5
# 10 ms of a MIDI file are not always quite 10 ms (`predict.bins`).
_A_TICK_S = 1e-5

Cells = NDArray[np.int64]


def cells(seconds: FloatArray) -> Cells:
    """Return the cells of 10 ms that hold these times; what is negative is in the first, beyond 8 s in the last."""
    found = np.floor((seconds.astype(np.float64) + _A_TICK_S) / CELL_S)
    return np.asarray(np.clip(found, 0, _CELLS - 1), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """How likely each error of a time is, in cells: from 799 too long to 799 too short (1599)."""

    shares: NDArray[np.float64]

    @classmethod
    def of(cls, true: FloatArray, predicted: FloatArray) -> "Noise":
        """Return the errors made in training: both in seconds (n)."""
        errors = cells(true) - cells(predicted) + _CELLS - 1
        counts = np.bincount(errors, minlength=2 * _CELLS - 1) + _SMOOTHING
        return cls(counts / counts.sum())

    def distributions(self, predicted: FloatArray) -> NDArray[np.float64]:
        """Return how likely each cell of a time is (n, 800), given the points `predicted` (n) in seconds.

        The errors, moved to the point; what falls outside the cells is shared out among the others in proportion.
        Within the last bin, which stands for all longer times as well, all cells are as likely, as to everybody else.
        """
        points = cells(predicted)
        spread = self.shares[np.arange(_CELLS) - points[:, None] + _CELLS - 1]
        spread /= spread.sum(axis=1, keepdims=True)
        spread[:, _LAST_BIN] = spread[:, _LAST_BIN].mean(axis=1, keepdims=True)
        return np.asarray(spread, np.float64)

    def nats(self, true: FloatArray, predicted: FloatArray) -> FloatArray:
        """Return -log p of the cells that hold the `true` times (n), given the points `predicted` (n), in seconds."""
        table = -np.log(self.distributions(np.arange(_CELLS, dtype=np.float32) * np.float32(CELL_S)))
        return np.asarray(table[cells(predicted), cells(true)], np.float32)
