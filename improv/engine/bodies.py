"""What lies between a network's inputs and its heads: a step from note to note, as pure functions of tensors."""

from collections.abc import Mapping
from typing import Protocol

from keras import ops

from improv.engine.backend import Tensor
from improv.predict.weights import DILATIONS, LAYERS, REACH


class Body(Protocol):
    """Remembers what it has heard in `outputs` (batch, width), which the heads read, and a `memory` besides."""

    width: int

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return outputs and memory of a body that has heard nothing."""

    def step(self, outputs: Tensor, memory: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return outputs and memory after one more note, `inputs` (batch, features)."""


class Lstm:
    """One LSTM layer; its memory is the cell. Gates in the order of Keras: in, forget, candidate, out."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
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


class Convolutions:
    """The body of `conv`. Its memory holds what each layer has read last: REACH slots a layer, the oldest first."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self.width = int(tensors["front.bias"].shape[0])

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return outputs and memory of a body that has heard nothing."""
        return ops.zeros((batch, self.width)), ops.zeros((batch, LAYERS * REACH * self.width))

    def step(self, outputs: Tensor, memory: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - as every body
        """Return outputs and memory after one more note, `inputs` (batch, features)."""
        tensors, width = self._tensors, self.width
        hidden = ops.matmul(inputs, tensors["front.kernel"]) + tensors["front.bias"]
        read = []
        for at in range(LAYERS):
            kept = memory[:, (at * REACH + 1) * width : (at + 1) * REACH * width]
            read.append(ops.concatenate([kept, hidden], axis=1))
            kernel = ops.reshape(tensors[f"conv{at + 1}.kernel"], (REACH * width, width))
            hidden = hidden + ops.relu(ops.matmul(read[-1], kernel) + tensors[f"conv{at + 1}.bias"])
        return hidden, ops.concatenate(read, axis=1)


class Gated:
    """The body of `wavenet`. Its memory holds, for each layer, the notes as far as it looks back, the oldest first."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors
        self._inner, self.width = (int(size) for size in tensors["skip1.kernel"].shape)

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return outputs and memory of a body that has heard nothing."""
        slots = sum(DILATIONS) + len(DILATIONS)
        return ops.zeros((batch, self.width)), ops.zeros((batch, slots * self._inner))

    def step(self, outputs: Tensor, memory: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002 - as every body
        """Return outputs and memory after one more note, `inputs` (batch, features)."""
        tensors, inner = self._tensors, self._inner
        hidden = ops.matmul(inputs, tensors["front.kernel"]) + tensors["front.bias"]
        heard, read, first = 0.0, [], 0
        for at, dilation in enumerate(DILATIONS, 1):
            kept = memory[:, (first + 1) * inner : (first + dilation + 1) * inner]
            first += dilation + 1
            read.append(ops.concatenate([kept, hidden], axis=1))
            kernel = ops.reshape(tensors[f"gated{at}.kernel"], (2 * inner, 2 * inner))
            both = ops.matmul(ops.concatenate([kept[:, :inner], hidden], axis=1), kernel) + tensors[f"gated{at}.bias"]
            found = ops.tanh(both[:, :inner]) * ops.sigmoid(both[:, inner:])
            heard = heard + ops.matmul(found, tensors[f"skip{at}.kernel"])
            if at < len(DILATIONS):
                hidden = hidden + ops.matmul(found, tensors[f"residual{at}.kernel"]) + tensors[f"residual{at}.bias"]
        return ops.relu(heard), ops.concatenate(read, axis=1)
