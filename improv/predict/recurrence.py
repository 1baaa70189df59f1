"""One LSTM layer in numpy, a note at a time, in buffers that are made once."""

from dataclasses import dataclass

import numpy as np

from improv.predict.encoding import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The layer's buffers for a batch: gates side by side (in, forget, out, candidate), and views into them.

    `known` (batch, units + besides) is what the recurrent weights see: `hidden` and, after it, what the owner puts in.
    """

    gates: FloatArray
    sigmoids: FloatArray
    enter: FloatArray
    forget: FloatArray
    out: FloatArray
    candidate: FloatArray
    known: FloatArray
    hidden: FloatArray
    cell: FloatArray

    @classmethod
    def of(cls, batch: int, units: int, besides: int = 0) -> "Cells":
        """Return buffers for `batch` candidates."""
        gates = np.empty((batch, 4 * units), np.float32)
        enter, forget, out, candidate = (gates[:, at * units : (at + 1) * units] for at in range(4))
        known = np.empty((batch, units + besides), np.float32)
        cell = np.empty((batch, units), np.float32)
        return cls(gates, gates[:, : 3 * units], enter, forget, out, candidate, known, known[:, :units], cell)

    def start(self, known: FloatArray | None, cell: FloatArray | None) -> None:
        """Go on from what was carried; None: from nothing."""
        self.known[:] = 0 if known is None else known
        self.cell[:] = 0 if cell is None else cell

    def step(self, inputs: FloatArray, recurrent: FloatArray) -> None:
        """Advance `hidden` and `cell` by one note, whose share in the gates is `inputs` (batch, 4 units)."""
        np.dot(self.known, recurrent, out=self.gates)
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


def in_order(tensor: FloatArray, units: int) -> FloatArray:
    """Return gate columns as Keras has them (in, forget, candidate, out) with out third, and the first three halved."""
    enter, forget, candidate, out = (tensor[:, at * units : (at + 1) * units] for at in range(4))
    return np.concatenate([enter * 0.5, forget * 0.5, out * 0.5, candidate], axis=1, dtype=np.float32)
