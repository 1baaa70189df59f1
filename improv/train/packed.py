"""Packed notes: whole numbers, ten bytes a note. Light, so that a corpus in the cache needs no MIDI library."""

import numpy as np
from numpy.typing import NDArray

from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray

SECOND = 1_000_000

NOTE = np.dtype([("step", "<i4"), ("duration", "<i4"), ("pitch", "u1"), ("velocity", "u1")])
"""A packed note: step and duration in microseconds."""

Packed = NDArray[np.void]


def unpacked(notes: Packed) -> FloatArray:
    """Return packed `notes` as rows of pitch, step, duration (seconds), velocity."""
    array = np.empty((len(notes), COLUMNS), np.float32)
    array[:, PITCH] = notes["pitch"]
    # Divided before they are narrowed: half a second is half a second.
    array[:, STEP] = notes["step"] / SECOND
    array[:, DURATION] = notes["duration"] / SECOND
    array[:, VELOCITY] = notes["velocity"]
    return array
