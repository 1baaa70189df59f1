"""What lies between a network's inputs and its heads: a step from note to note, as pure functions of tensors."""

from typing import Protocol

from keras import ops

from improv.engine.backend import Tensor


class Body(Protocol):
    """Remembers what it has heard in `outputs` (batch, width), which the heads read, and a `memory` besides."""

    width: int

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return outputs and memory of a body that has heard nothing."""

    def step(self, outputs: Tensor, memory: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and memory after one more note, `inputs` (batch, features)."""


class Lstm:
    """One LSTM layer; its memory is the cell. Gates in the order of Keras: in, forget, candidate, out."""

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self._kernel, self._recurrent = tensors["lstm.kernel"], tensors["lstm.recurrent"]
        self._bias = tensors["lstm.bias"]
        self.width = int(self._recurrent.shape[0])

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return outputs and memory of a body that has heard nothing."""
        return ops.zeros((batch, self.width)), ops.zeros((batch, self.width))

    def step(self, outputs: Tensor, memory: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and memory after one more note, `inputs` (batch, features)."""
        gates = ops.matmul(inputs, self._kernel) + ops.matmul(outputs, self._recurrent) + self._bias
        enter, forget, candidate, out = ops.split(gates, 4, axis=1)
        cell = ops.sigmoid(forget) * memory + ops.sigmoid(enter) * ops.tanh(candidate)
        return ops.sigmoid(out) * ops.tanh(cell), cell
