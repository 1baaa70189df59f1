"""The bodies of `conv` and `wavenet` in numpy, a note at a time: they carry what each layer has last read.

That lies in one flat memory, `cell` (batch, slots * width): layer after layer, as many slots as it looks back and one
for the latest, the oldest first. From note to note all of it moves on by a slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from improv.predict.encoding import FloatArray
from improv.predict.weights import DILATIONS, LAYERS, REACH, gated_units


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """The buffers of a body for a batch. `known` (batch, units + besides): what the heads read, as in `Cells`."""

    width: int
    known: FloatArray
    hidden: FloatArray
    besides: FloatArray
    cell: FloatArray

    @classmethod
    def of(cls, batch: int, units: int, besides: int, slots: int, width: int) -> Self:
        """Return buffers for `batch` candidates."""
        known = np.empty((batch, units + besides), np.float32)
        cell = np.empty((batch, slots * width), np.float32)
        return cls(width, known, known[:, :units], known[:, units:], cell)

    def start(self, known: FloatArray | None, cell: FloatArray | None) -> None:
        """Go on from what was carried; None: from nothing."""
        self.known[:] = 0 if known is None else known
        self.cell[:] = 0 if cell is None else cell

    def move_on(self) -> None:
        """Make room for the latest: every slot becomes an older one."""
        self.cell[:, : -self.width] = self.cell[:, self.width :]


class Convolutions:
    """The body of `conv` with its weights, for a batch. `step` is told a note's share in the front layer."""

    def __init__(self, tensors: Mapping[str, FloatArray], units: int, besides: FloatArray, batch: int) -> None:
        self._memory = Memory.of(batch, units, len(besides), LAYERS * REACH, units)
        self._besides = besides
        self._layers = []
        for at in range(LAYERS):
            kernel = tensors[f"conv{at + 1}.kernel"].reshape(REACH * units, units)
            read = self._memory.cell[:, at * REACH * units : (at + 1) * REACH * units]
            self._layers.append((read, read[:, -units:], kernel, tensors[f"conv{at + 1}.bias"]))
        self.known, self.cell, self.start = self._memory.known, self._memory.cell, self._memory.start

    def step(self, inputs: FloatArray) -> None:
        """Advance by one note."""
        memory = self._memory
        memory.move_on()
        hidden: FloatArray = inputs + memory.besides @ self._besides
        for read, latest, kernel, bias in self._layers:
            latest[:] = hidden
            found = read @ kernel
            found += bias
            np.maximum(found, 0, out=found)
            hidden += found
        memory.hidden[:] = hidden


class Gated:
    """The body of `wavenet` with its weights, for a batch. `step` is told a note's share in the front layer."""

    def __init__(self, tensors: Mapping[str, FloatArray], units: int, besides: FloatArray, batch: int) -> None:
        width = gated_units(units)
        self._memory = Memory.of(batch, units, len(besides), sum(DILATIONS) + len(DILATIONS), width)
        self._besides = besides
        # What a layer reads, the older first; what it makes of that; and what all let through, for one product.
        self._read = np.empty((batch, 2 * width), np.float32)
        self._made = np.empty((batch, 2 * width), np.float32)
        self._through = np.empty((batch, len(DILATIONS) * width), np.float32)
        self._skips = 0.5 * np.concatenate([tensors[f"skip{at}.kernel"] for at in range(1, len(DILATIONS) + 1)])
        # The sigmoid of x is (1 + tanh(x / 2)) / 2: with the gates' weights halved, and those of what is let through,
        # one tanh does for all.
        half = np.repeat(np.array([1, 0.5], np.float32), width)
        self._layers = []
        first = 0
        for at, dilation in enumerate(DILATIONS, 1):
            slots = self._memory.cell[:, first * width : (first + dilation + 1) * width]
            first += dilation + 1
            kernel = tensors[f"gated{at}.kernel"].reshape(2 * width, 2 * width) * half
            bias = tensors[f"gated{at}.bias"] * half
            through = self._through[:, (at - 1) * width : at * width]
            self._layers.append((slots[:, :width], slots[:, -width:], kernel, bias, through))
        # The last one has no residual: nobody would read it.
        self._residuals = [
            (0.5 * tensors[f"residual{at}.kernel"], tensors[f"residual{at}.bias"]) for at in range(1, len(DILATIONS))
        ]
        self.known, self.cell, self.start = self._memory.known, self._memory.cell, self._memory.start

    def step(self, inputs: FloatArray) -> None:
        """Advance by one note."""
        memory, read, made = self._memory, self._read, self._made
        width = memory.width
        older, newer, values, gates = read[:, :width], read[:, width:], made[:, :width], made[:, width:]
        memory.move_on()
        np.add(inputs, memory.besides @ self._besides, out=newer)
        for at, (oldest, latest, kernel, bias, through) in enumerate(self._layers):
            latest[:], older[:] = newer, oldest
            np.dot(read, kernel, out=made)
            np.add(made, bias, out=made)
            np.tanh(made, out=made)
            np.add(gates, 1, out=gates)
            np.multiply(values, gates, out=through)
            if at < len(self._residuals):
                residual, offset = self._residuals[at]
                newer += through @ residual
                newer += offset
        np.maximum(self._through @ self._skips, 0, out=memory.hidden)
