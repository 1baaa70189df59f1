"""The tutorial's network in numpy: ready at once, no TensorFlow.

As trained it sees exactly its window, from an empty state, again for each note. Carried, it goes on from the state
it is in: one LSTM step a note.
"""

from dataclasses import replace
from functools import cache

import numpy as np

from improv.events import PITCHES
from improv.listen.phrase import CHORD_S
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray, tutorial_features
from improv.predict.engine import ModelInfo, State, Taste
from improv.predict.recurrence import Cells, in_order
from improv.predict.sampling import draw_pitch, shortened
from improv.predict.weights import Weights

# Shorter is no note: a key takes about this long to go down and up.
MIN_DURATION_S = 0.05


class NumpyEngine:
    """An engine for the tutorial's network. `carry` None: as the model file says. One owner, no locks."""

    def __init__(self, weights: Weights, *, carry: bool | None = None) -> None:
        card, tensors = weights.card, weights.tensors
        self._carry = card.carry if carry is None else carry
        self._units = card.units
        self.info = ModelInfo(weights.name, card.network, card.window, weights.hash, self._carry, has_velocity=False)
        self._kernel = in_order(tensors["lstm.kernel"], card.units)
        self._recurrent = in_order(tensors["lstm.recurrent"], card.units)
        self._bias = in_order(tensors["lstm.bias"][None], card.units)
        # Pitch, step and duration in one product.
        heads = ("pitch", "step", "duration")
        self._heads = np.ascontiguousarray(np.concatenate([tensors[f"{head}.kernel"] for head in heads], axis=1))
        self._heads_bias = np.concatenate([tensors[f"{head}.bias"] for head in heads])
        self._cells = cache(lambda batch: Cells.of(batch, card.units))

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""
        window = np.broadcast_to(notes[-self.info.window :], (batch, min(len(notes), self.info.window), COLUMNS))
        return self._heard(window, None)

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""
        latest = notes[:, None]
        if self._carry:
            after = self._heard(latest, state)
        else:
            after = self._heard(np.concatenate([state.notes, latest], axis=1)[:, -self.info.window :], None)
        return after if state.recall is None else replace(after, recall=state.recall.after(notes))

    def heads(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the network's outputs: pitch logits (batch, 128), step and duration (batch) in seconds."""
        outputs = state.hidden @ self._heads + self._heads_bias
        return outputs[:, :PITCHES], outputs[:, PITCHES], outputs[:, PITCHES + 1]

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4); its velocity is NaN: this network has none.

        Step and duration are as predicted: the network gives a point, not a distribution. So of what comes to mind of
        the player only the pitch is mixed in.
        """
        logits, step, duration = self.heads(state)
        notes = np.empty((len(logits), COLUMNS), np.float32)
        if taste.density != 1:
            # A point has no other places to be: it is sooner or later by the whole of it.
            step = np.where(step < CHORD_S, step, step / shortened(taste.density))
        np.maximum(step, max(0.0, taste.elapsed_s), out=notes[:, STEP])
        if state.recall is not None:
            logits = state.recall.pitch(logits, notes[:, STEP])
        notes[:, PITCH] = draw_pitch(logits, uniforms[:, PITCH], taste)
        np.maximum(duration, MIN_DURATION_S, out=notes[:, DURATION])
        notes[:, VELOCITY] = np.nan
        return notes

    def _heard(self, notes: FloatArray, before: State | None) -> State:
        """Return the state after `notes` (batch, n, 4), from an empty one or from `before`."""
        batch, count, _ = notes.shape
        inputs = tutorial_features(notes).transpose(1, 0, 2).reshape(count * batch, -1) @ self._kernel
        inputs += self._bias
        cells = self._cells(batch)
        cells.start(*((None, None) if before is None else (before.hidden, before.cell)))
        for at in inputs.reshape(count, batch, -1):
            cells.step(at, self._recurrent)
        kept = notes[:, :0] if self._carry else notes
        return State(kept, cells.hidden.copy(), cells.cell.copy())
