"""Notes as the numbers a network reads.

An array of notes is float32, one note a row: pitch (0-127), step (seconds since the previous onset), duration
(seconds), velocity (1-127). The first note of a passage has step 0: nothing came before it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from improv.events import PITCHES, Note

FloatArray = NDArray[np.float32]

PITCH, STEP, DURATION, VELOCITY = range(4)
COLUMNS = 4


def notes_to_array(notes: Sequence[Note]) -> FloatArray:
    """Return `notes`, ordered by onset, as rows of pitch, step, duration, velocity."""
    array = np.empty((len(notes), COLUMNS), np.float32)
    # Onsets are subtracted before they are narrowed: a session clock has no small numbers left after an hour.
    onsets = np.array([note.onset for note in notes], np.float64)
    array[:, PITCH] = [note.pitch for note in notes]
    array[:, STEP] = np.diff(onsets, prepend=onsets[:1])
    array[:, DURATION] = [note.duration for note in notes]
    array[:, VELOCITY] = [note.velocity for note in notes]
    return array


def tutorial_features(notes: FloatArray) -> FloatArray:
    """Return what the tutorial's network reads of `notes` (…, 4): pitch / 128, step, duration (…, 3).

    Its own pitches come back through here too, so that it plays on what it was trained on.
    """
    features = notes[..., :VELOCITY].copy()
    features[..., PITCH] *= 1 / PITCHES
    return features
