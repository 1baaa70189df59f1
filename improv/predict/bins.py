"""Notes on the grid of a network that gives times and velocities a distribution."""

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.grid import BOUNDS, CELL_S, NO_VELOCITY, VELOCITY_WIDTH

IntArray = NDArray[np.int32]

# Bin i of a time goes from EDGES_S[i] to EDGES_S[i + 1] and holds CELLS[i] cells.
EDGES_S = np.array(BOUNDS, np.float64) * CELL_S
CELLS = np.diff(BOUNDS)

# The columns of a note in bins, in the order in which its parts are drawn.
STEP_BIN, PITCH_BIN, VELOCITY_BIN, DURATION_BIN = range(4)


# Where a bin begins, but for the first: found by counting. A tick sooner, for 10 ms of a MIDI file are not always quite
# 10 ms, and belong in the bin that begins there.
_BEGINS = (EDGES_S[1:-1] - 1e-5).astype(np.float32)


def time_bins(seconds: FloatArray) -> IntArray:
    """Return the bins of times in seconds; what is beyond the ends is in the first or the last."""
    return np.asarray(np.searchsorted(_BEGINS, seconds, "right"), np.int32)


def binned(notes: FloatArray) -> IntArray:
    """Return `notes` (…, 4) as bins (…, 4): step, pitch, velocity, duration. A velocity of 0 is one not known."""
    bins = np.empty(notes.shape, np.int32)
    bins[..., [STEP_BIN, DURATION_BIN]] = time_bins(notes[..., [STEP, DURATION]])
    bins[..., PITCH_BIN] = notes[..., PITCH]
    velocity = notes[..., VELOCITY]
    bins[..., VELOCITY_BIN] = np.where(velocity > 0, velocity * (1 / VELOCITY_WIDTH), NO_VELOCITY)
    return bins
