"""The smallest engine: it repeats what it heard, a little higher. Its answers can be written down by hand."""

from dataclasses import replace

import numpy as np

from improv.predict.encoding import DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.engine import ModelInfo, State, Taste

UP = 2


class Parrot:
    """Draws the notes of its window in turn, `UP` semitones higher, with `velocity` (NaN: none)."""

    def __init__(self, window: int = 25, velocity: float = np.nan) -> None:
        self.info = ModelInfo("parrot", "parrot", window, "0" * 64, carries=True, has_velocity=not np.isnan(velocity))
        self._velocity = velocity

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Remember the window; `hidden` holds the place of the next note."""
        window = np.broadcast_to(notes[-self.info.window :], (batch, *notes[-self.info.window :].shape))
        return State(window, np.zeros((batch, 1), np.float32), np.zeros((batch, 1), np.float32))

    def advance(self, state: State, notes: FloatArray) -> State:
        """Go on to the next note."""
        return replace(state, hidden=state.hidden + np.float32(len(notes) > 0))

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return the next note of the window, its step no shorter than the time gone; `uniforms` decide nothing."""
        place = int(state.hidden[0, 0]) % state.notes.shape[1]
        notes = state.notes[: len(uniforms), place].copy()
        notes[:, PITCH] += UP
        notes[:, STEP] = np.maximum(notes[:, STEP], taste.elapsed_s)
        notes[:, DURATION] = np.maximum(notes[:, DURATION], 0.05)
        notes[:, VELOCITY] = self._velocity
        return notes
