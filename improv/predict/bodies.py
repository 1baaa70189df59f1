"""What lies between what a network hears of a note and its heads, in numpy: a body for each network of sequences."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from improv.predict.convolutions import Convolutions, Gated
from improv.predict.encoding import FloatArray
from improv.predict.recurrence import Cells, in_order
from improv.predict.weights import HEARD, STYLE, Weights


class Body(Protocol):
    """A body's buffers for a batch. `known` (batch, units + besides): what the heads read.

    The owner puts what it knows besides behind the units before every `step`. `cell` (batch, n): the rest of the state.
    """

    known: FloatArray
    cell: FloatArray

    def start(self, known: FloatArray | None, cell: FloatArray | None) -> None:
        """Go on from what was carried; None: from nothing."""

    def step(self, inputs: FloatArray) -> None:
        """Advance by one note, whose share in the first layer is `inputs` (batch, width)."""


@dataclass(frozen=True, slots=True)
class Front:
    """The first layer: what is heard of a note times `kernel` (heard and style, width), plus `bias` (1, width).

    `body`: from a batch to the body behind it.
    """

    kernel: FloatArray
    bias: FloatArray
    body: Callable[[int], Body]


class _Recurrent:
    """The body of `lstm`."""

    def __init__(self, recurrent: FloatArray, units: int, batch: int) -> None:
        cells = Cells.of(batch, units, len(recurrent) - units)
        self.known, self.cell, self.start = cells.known, cells.cell, cells.start
        self.step = partial(cells.step, recurrent=recurrent)


_CONVOLUTIONS: dict[str, Callable[..., Body]] = {"conv": Convolutions, "wavenet": Gated}


def front_of(weights: Weights) -> Front:
    """Return the first layer and the body of a network of sequences."""
    units, tensors = weights.card.units, weights.tensors
    # The rest of the kernel is for the traces, which are known besides.
    heard = sum(HEARD.values()) + STYLE
    if weights.card.network == "lstm":
        kernel = in_order(tensors["lstm.kernel"], units)
        recurrent = np.concatenate([in_order(tensors["lstm.recurrent"], units), kernel[heard:]])
        return Front(kernel[:heard], in_order(tensors["lstm.bias"][None], units), partial(_Recurrent, recurrent, units))
    kernel = tensors["front.kernel"]
    body = partial(_CONVOLUTIONS[weights.card.network], tensors, units, kernel[heard:])
    return Front(kernel[:heard], tensors["front.bias"][None], body)
