"""The tutorial's network in numpy: ready at once, no TensorFlow.

As trained it sees exactly its window, from an empty state, again for each note. Carried, it goes on from the state
it is in: one LSTM step a note.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from improv.events import PITCHES
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray, tutorial_features
from improv.predict.engine import ModelInfo, State, Taste
from improv.predict.sampling import draw_pitch
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
        self._kernel = _gates(tensors["lstm.kernel"], card.units)
        self._recurrent = _gates(tensors["lstm.recurrent"], card.units)
        self._bias = _gates(tensors["lstm.bias"][None], card.units)
        # Pitch, step and duration in one product.
        heads = ("pitch", "step", "duration")
        self._heads = np.ascontiguousarray(np.concatenate([tensors[f"{head}.kernel"] for head in heads], axis=1))
        self._heads_bias = np.concatenate([tensors[f"{head}.bias"] for head in heads])
        self._scratch = cache(lambda batch: _Scratch.of(batch, card.units))

    def prime(self, notes: FloatArray, batch: int = 1) -> State:
        """Return the state after `notes` (n >= 1, 4), of which the last `info.window` count, for `batch` candidates."""
        window = np.broadcast_to(notes[-self.info.window :], (batch, min(len(notes), self.info.window), COLUMNS))
        return self._heard(window, None)

    def advance(self, state: State, notes: FloatArray) -> State:
        """Return the state after one more note for each candidate: `notes` (batch, 4)."""
        latest = notes[:, None]
        if self._carry:
            return self._heard(latest, state)
        window = np.concatenate([state.notes, latest], axis=1)[:, -self.info.window :]
        return self._heard(window, None)

    def heads(self, state: State) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the network's outputs: pitch logits (batch, 128), step and duration (batch) in seconds."""
        outputs = state.hidden @ self._heads + self._heads_bias
        return outputs[:, :PITCHES], outputs[:, PITCHES], outputs[:, PITCHES + 1]

    def draw(self, state: State, uniforms: FloatArray, taste: Taste) -> FloatArray:
        """Return a next note for each candidate (batch, 4); its velocity is NaN: this network has none.

        Step and duration are as predicted: the network gives a point, not a distribution.
        """
        logits, step, duration = self.heads(state)
        notes = np.empty((len(logits), COLUMNS), np.float32)
        notes[:, PITCH] = draw_pitch(logits, uniforms[:, PITCH], taste)
        np.maximum(step, max(0.0, taste.elapsed_s), out=notes[:, STEP])
        np.maximum(duration, MIN_DURATION_S, out=notes[:, DURATION])
        notes[:, VELOCITY] = np.nan
        return notes

    def _heard(self, notes: FloatArray, before: State | None) -> State:
        """Return the state after `notes` (batch, n, 4), from an empty one or from `before`."""
        batch, count, _ = notes.shape
        inputs = tutorial_features(notes).transpose(1, 0, 2).reshape(count * batch, -1) @ self._kernel
        inputs += self._bias
        scratch = self._scratch(batch)
        scratch.hidden[:] = 0 if before is None else before.hidden
        scratch.cell[:] = 0 if before is None else before.cell
        for at in inputs.reshape(count, batch, -1):
            scratch.step(at, self._recurrent)
        kept = notes[:, :0] if self._carry else notes
        return State(kept, scratch.hidden.copy(), scratch.cell.copy())


@dataclass(frozen=True, slots=True, eq=False)
class _Scratch:
    """One LSTM layer's buffers for a batch: gates side by side (in, forget, out, candidate), and views into them."""

    gates: FloatArray
    sigmoids: FloatArray
    enter: FloatArray
    forget: FloatArray
    out: FloatArray
    candidate: FloatArray
    hidden: FloatArray
    cell: FloatArray

    @classmethod
    def of(cls, batch: int, units: int) -> "_Scratch":
        gates = np.empty((batch, 4 * units), np.float32)
        enter, forget, out, candidate = (gates[:, at * units : (at + 1) * units] for at in range(4))
        hidden, cell = np.empty((2, batch, units), np.float32)
        return cls(gates, gates[:, : 3 * units], enter, forget, out, candidate, hidden, cell)

    def step(self, inputs: FloatArray, recurrent: FloatArray) -> None:
        """Advance `hidden` and `cell` by one note, whose share in the gates is `inputs` (batch, 4 units)."""
        np.dot(self.hidden, recurrent, out=self.gates)
        np.add(self.gates, inputs, out=self.gates)
        # The sigmoid of x is (1 + tanh(x / 2)) / 2, and their weights are halved already: one tanh for all gates.
        np.tanh(self.gates, out=self.gates)
        np.add(self.sigmoids, 1, out=self.sigmoids)
        np.multiply(self.sigmoids, 0.5, out=self.sigmoids)
        np.multiply(self.cell, self.forget, out=self.cell)
        np.multiply(self.enter, self.candidate, out=self.enter)
        np.add(self.cell, self.enter, out=self.cell)
        np.tanh(self.cell, out=self.hidden)
        np.multiply(self.hidden, self.out, out=self.hidden)


def _gates(tensor: FloatArray, units: int) -> FloatArray:
    """Return gate columns as Keras has them (in, forget, candidate, out) with out third, and the first three halved."""
    enter, forget, candidate, out = (tensor[:, at * units : (at + 1) * units] for at in range(4))
    return np.concatenate([enter * 0.5, forget * 0.5, out * 0.5, candidate], axis=1, dtype=np.float32)
